"""Backtests: the running agent's decisions, stops and accounting on candles of the past."""
