"""English: what agents tell their owners by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    # Messages that come by themselves.
    "notice_trade_opened": (
        "📈 <b>{agent_name}</b> opened a trade\n"
        "{symbol}: {quantity} bought at {price}, stop loss {stop_price}\n"
        "Why: {reason}"
    ),
    "notice_trade_closed": (
        "{mark} <b>{agent_name}</b> closed a trade\n"
        "{symbol} sold at {price}: <b>{profit} USDC</b> ({profit_pct} %)\n"
        "Why: {reason}"
    ),
    "notice_emergency_stopped": "🔴 <b>{agent_name}</b> is emergency-stopped. {open_trades}",
    "notice_emergency_open_none": "It held no open trade.",
    "notice_emergency_open_one": "Its open trade is being closed.",
    "notice_emergency_open_many": "Its {count} open trades are being closed.",
    "notice_emergency_done": "🔴 <b>{agent_name}</b>: the emergency stop is done. {closed}",
    "notice_emergency_closed_none": "Nothing was left to close.",
    "notice_emergency_closed_one": "One trade was closed, result {profit} USDC.",
    "notice_emergency_closed_many": "{count} trades were closed, result {profit} USDC.",
    "notice_downgraded": (
        "⭐ You are no longer a Lifetime Premium member, so {disabled} Open trades keep their stop "
        "loss, and you can still stop everything at any time."
    ),
    "notice_downgraded_none": "your agents cannot be enabled.",
    "notice_downgraded_one": "your agent was disabled.",
    "notice_downgraded_many": "your {count} agents were disabled.",
    "notice_daily_loss_halt": (
        "🟠 <b>{agent_name}</b> reached its daily loss limit of {limit_pct} % and is halted until "
        "midnight UTC.\n"
        "Equity {equity} USDC, at the start of the day {day_start_equity} USDC. Its open trades "
        "are being closed."
    ),
    "notice_platform_halted": (
        "🟠 Trading is paused for everyone: {reason}\n"
        "Your agents open nothing new, and what they hold is being closed."
    ),
    "notice_platform_resumed": "🟢 Trading goes on for everyone; so do your enabled agents.",
    "notice_instruction_answered": "💬 <b>{agent_name}</b>: {answer}",
    "notice_other": "There is news of {agent_name}. Its card tells where it stands.",
    "notice_other_no_agent": "There is news of your agents. /agents shows where they stand.",
    # Why a trade was opened or closed.
    "reason_pullback": "a small dip in an uptrend",
    "reason_breakout": "a breakout above recent highs",
    "reason_rebound": "a rebound after a fall",
    "reason_stop_loss": "stop loss",
    "reason_trailing_stop": "trailing stop, which follows the price up",
    "reason_take_profit": "the profit target was reached",
    "reason_signal": "the trend turned",
    "reason_time_limit": "it was open long enough",
    "reason_instruction": "you asked for it",
    "reason_daily_loss": "daily loss limit",
    "reason_emergency": "emergency stop",
    "reason_platform_halt": "trading is paused for everyone",
    "reason_stray": "found at the exchange",
    "reason_other": "the strategy decided so",
    # What an agent answers: a command it follows from now on,
    "answer_only_symbols": "From now on I only buy {symbols}.",
    "answer_avoid_symbols": "I will not buy {symbols} any more.",
    "answer_smaller_size": "From now on I put at most {percent} % into one trade.",
    "answer_tighter_daily_loss": "From now on I stop for the day after losing {percent} %.",
    "answer_pause": "I open nothing new for {duration}. Open trades keep their stop loss.",
    "answer_close_all": "I am closing all open trades.",
    "answer_close_symbols": "I am closing my trades in {symbols}.",
    "answer_take_profit_now": "I am closing the trades that are in profit.",
    "answer_take_profit_now_in": "I am closing the trades in {symbols} that are in profit.",
    "answer_resume_normal": "Back to normal: earlier instructions no longer count.",
    # or why it does not.
    "answer_not_understood": (
        "I did not understand that. Try for example <i>only BTC</i>, <i>pause for 2 hours</i> or "
        "<i>close everything</i>."
    ),
    "answer_too_long": "That was too long for me. Please say it in one short sentence.",
    "answer_question": (
        "I cannot answer questions, only follow instructions. Agent Status shows how I am doing."
    ),
    "answer_conditional": "I cannot wait for a condition. Please tell me what to do right now.",
    "answer_negated": (
        "I am not sure what you mean by <i>not</i>. Please say what I should do instead."
    ),
    "answer_one_at_a_time": "One thing at a time, please: send each instruction on its own.",
    "answer_which_symbol": "Which coin do you mean? For example <i>close BTC</i>.",
    "answer_unknown_symbol": "I do not trade that coin.",
    "answer_no_symbol_left": "Then there would be nothing left for me to trade.",
    "answer_which_percent": "How many percent? For example <i>at most 2 % per trade</i>.",
    "answer_how_long": "For how long? For example <i>pause for 2 hours</i>.",
    "answer_pause_too_long": "I can pause for at most a week. To stop me longer, disable trading.",
    "answer_looser_than_limit": "That is more than my limit. I can only be told to risk less.",
    "answer_stop_loss_is_fixed": "My stop losses cannot be changed; they protect your balance.",
    "answer_use_buttons": "Please use the buttons on my card for that.",
    "answer_expired": "Your instruction came too late to be followed. Please send it again.",
    "answer_other": "I have read your instruction.",
    "minutes_one": "{count} minute",
    "minutes_many": "{count} minutes",
    "hours_one": "{count} hour",
    "hours_many": "{count} hours",
    "days_one": "{count} day",
    "days_many": "{count} days",
}
