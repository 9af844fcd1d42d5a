"""The page that asks for a token: it needs no other file, since none is served without one."""

from __future__ import annotations

import base64
import hashlib

from starlette.responses import HTMLResponse

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;"
    "margin:0;padding:1rem}"
    "form{max-width:22rem;width:100%}h1{font-size:1.3rem;margin:0 0 .25rem}"
    "p{margin:0 0 1rem;opacity:.75}label{display:block;font-weight:600;margin-bottom:.25rem}"
    "input,button{font:inherit;width:100%;box-sizing:border-box;padding:.6rem .75rem;"
    "border-radius:8px;border:1px solid #8a939e}"
    "button{margin-top:.75rem;border:0;background:#0b6a5f;color:#fff;font-weight:600}"
    "strong{color:#c0392b}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8>"
    "<meta name=viewport content='width=device-width,initial-scale=1'>"
    f"<title>dfindex: sign in</title><style>{_STYLE}</style>"
    "<main><form method=post action='{root}/login'><h1>dfindex</h1><p>@</p>"
    "<label for=token>Token</label>"
    "<input id=token name=token type=password autocomplete=current-password required autofocus>"
    "<button>Sign in</button></form></main></html>"
)


def login_page(root: str, *, failed: bool) -> HTMLResponse:
    """Return the page of a service below ``root``, with status 401."""
    words = "<strong>That token is not known.</strong>" if failed else "This service needs a token."
    policy = (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {"WWW-Authenticate": "Bearer", "Content-Security-Policy": policy}
    text = _PAGE.replace("@", words, 1).replace("{root}", root, 1)
    return HTMLResponse(text, 401, headers)
