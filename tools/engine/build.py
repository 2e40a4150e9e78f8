"""The engine built through the Go module proxy, for networks that reach nothing else.

Two modules make it: the CLI in the wanted version, and the Python language host in the last version whose
module still holds it. The two scripts that the host starts come from the CLI's own SDK module.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tools import gobuild
from tools.engine.choice import Unserved
from tools.engine.version import WANTED

HERE = Path(__file__).parent
SDK = "github.com/pulumi/pulumi/sdk/v3"
VERSION = f"{SDK}/go/common/version.Version=v{WANTED}"
PROGRAMS = (
    gobuild.Program(HERE / "cli", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", VERSION),
    gobuild.Program(HERE / "language-python", f"{SDK}/python/cmd/pulumi-language-python", VERSION),
)
SCRIPTS = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")


def build(target: Path) -> None:
    """Put the engine's programs into the folder `target`. Raises Unserved."""
    try:
        for program in PROGRAMS:
            gobuild.build(program, target)
        sdk = gobuild.module_folder(HERE / "cli", SDK)
    except gobuild.BuildFailed as error:
        raise Unserved(str(error)) from error
    for script in SCRIPTS:
        copy = target / Path(script).name
        shutil.copyfile(sdk / script, copy)
        copy.chmod(0o755)
