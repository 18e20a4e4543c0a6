"""``python -m drillbook.cli``."""

import sys

from .main import main

sys.exit(main())
