"""`dfindex serve`."""

from __future__ import annotations

from pathlib import Path

import click

from dfindex.cli.options import encoder_options, index_option


@click.command()
@index_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--token", envvar="DFINDEX_TOKEN", help="What an editor shows; or $DFINDEX_TOKEN.")
@click.option("--viewer-token", envvar="DFINDEX_VIEWER_TOKEN", help="What a viewer shows.")
@click.option("--no-auth", is_flag=True, help="Serve everyone who can connect, without a token.")
@click.option("--read-only", is_flag=True, help="Without a token: let no one label or decide.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="A further name of this machine.")
@click.option("--root-path", default="", metavar="PATH", help="Where a proxy shows the service.")
@click.option("--space", metavar="NAME", help="Which space, where there are several.")
@click.option("--max-upload", default=64, show_default=True, type=click.IntRange(1), metavar="MIB")
@encoder_options
def serve(
    index: Path,
    host: str,
    port: int,
    token: str | None,
    viewer_token: str | None,
    no_auth: bool,
    read_only: bool,
    allow_host: tuple[str, ...],
    root_path: str,
    space: str | None,
    max_upload: int,
    encoder: str | None,
    device: str,
    precision: str,
) -> None:
    """Serve the HTTP API and the page an investigator works in, on this machine only."""
    from dfindex.server.run import run
    from dfindex.server.settings import Allowance, Role, ServerSettings

    tokens = {viewer_token: Role.VIEWER, token: Role.EDITOR}
    settings = ServerSettings(
        index=index,
        host=host,
        port=port,
        tokens={each: role for each, role in tokens.items() if each is not None},
        no_auth=no_auth,
        open_role=Role.VIEWER if read_only else Role.EDITOR,
        names=allow_host,
        root_path=root_path,
        encoder=encoder,
        device=device,
        precision=precision,
        space=space,
        allowance=Allowance(upload_bytes=max_upload << 20),
    )
    run(settings, say=lambda words: click.echo(words, err=True))
