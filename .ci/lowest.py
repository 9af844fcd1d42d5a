"""Print each dependency of pyproject.toml at its lower bound, as constraints for pip."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
del extras["dev"]
for one in sorted({*project["dependencies"], *sum(extras.values(), [])}):
    name, bound = one.split(">=")
    sys.stdout.write(f"{name}=={bound.partition(',')[0]}\n")
