"""`python -m allclear.responder`: the responder alone, without the rest of the command line."""

from __future__ import annotations

import asyncio
import sys

from allclear.domain.errors import AllclearError
from allclear.own_secrets import HOME, with_own_secrets
from allclear.responder.server import serve
from allclear.settings import load_settings

if __name__ == "__main__":
    try:
        asyncio.run(serve(with_own_secrets(load_settings(), HOME)))
    except AllclearError as error:
        print(f"{error.message}\n→ {error.next_step}", file=sys.stderr)  # noqa: T201 - the command's error message
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(0)
