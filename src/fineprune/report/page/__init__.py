"""A report as one page of HTML, which needs no network and no other file.

```
charts.py   figures as SVG, by matplotlib
themes.py   their colors, which the page decides
render.py   the page, by the templates beside it
```
"""

from fineprune.report.page.render import render

__all__ = ["render"]
