"""A recipe for data that nobody has described yet.

```
layout.py    a file, as the sources of a recipe name it   -> Layout
profiles.py  what each column holds                       -> Profile
columns.py   which column is what                         -> Choice
lengths.py   how long texts are, in tokens or words       -> Lengths
splits.py    what is trained on, what is kept apart       -> Sets
propose.py   all of this, put together                    -> Proposal
writing.py   the recipe, with comments
```
"""

from fineprune.tasks.proposal.propose import Proposal, propose

__all__ = ["Proposal", "propose"]
