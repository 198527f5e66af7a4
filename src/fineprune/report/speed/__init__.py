"""How fast a packed model runs, beside the dense model in other engines.

Each engine runs in a process of its own, so that none of them has another's threads spinning
beside it, and memory can be told apart; rounds alternate between the engines, because machines
are shared and slow down at times.
"""
