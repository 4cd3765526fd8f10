"""Finds domains: folders beside this file that have a `domain.py`, and any other by its path."""

from __future__ import annotations

import importlib
import sys
from hashlib import sha256
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType

from schemas import nearest
from schemas.declare import DeclarationError, Domain
from schemas.validate import validate

_HERE = Path(__file__).parent


def names() -> list[str]:
    """The domains that are installed."""
    return sorted(path.parent.name for path in _HERE.glob("*/domain.py"))


def load(name: str) -> Domain:
    """The domain of that name, or in the folder of that path (it has a slash in it), validated.

    Raises DeclarationError naming the nearest where there is none.
    """
    module = module_of(name, "domain")
    if module is None:
        raise DeclarationError(_absent(name))
    domain = getattr(module, "DOMAIN", None)
    if not isinstance(domain, Domain):
        raise DeclarationError(f"{name}: DOMAIN is a {type(domain).__name__}; expected a Domain")
    return validate(domain)


def module_of(name: str, part: str) -> ModuleType | None:
    """The module `<part>.py` of a domain's folder; None where the folder has none."""
    package = _package(Path(name)) if "/" in name else f"schemas.{name}" if name in names() else ""
    if not package or find_spec(f"{package}.{part}") is None:
        return None
    return importlib.import_module(f"{package}.{part}")


def _package(folder: Path) -> str:
    """Makes a folder importable as a package of a name of its own, so that none is hidden by it."""
    path = folder.resolve()
    if not (path / "domain.py").is_file():
        return ""
    package = f"headrace_domain_{sha256(str(path).encode()).hexdigest()[:12]}"
    if package not in sys.modules:
        spec = ModuleSpec(package, None, is_package=True)
        spec.submodule_search_locations = [str(path)]
        sys.modules[package] = module_from_spec(spec)
    return package


def _absent(name: str) -> str:
    if "/" in name:
        return f"no domain in {Path(name).resolve()}: there is no domain.py"
    near = nearest.hint(name, names(), "a folder needs a slash: ./mine")
    return f"no domain {name!r}; installed: {', '.join(names())}{near}"
