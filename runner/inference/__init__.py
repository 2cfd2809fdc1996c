"""A second reader and a second opinion from a model, optional and off by default.

What a model answers is data that this package validates, never an instruction. At worst a model
that is wrong, or was talked round, restricts an agent, sells what it holds or skips an entry.
Without it, late or over budget, the rules decide as if it were not there.
"""
