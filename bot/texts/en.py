"""English."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    # Menu.
    "menu": (
        "👋 <b>Hello, {name}!</b>\n\n"
        "Your AI agent watches the market every 5 minutes and trades by itself, inside the limits "
        "you choose. You can stop it at any moment."
    ),
    "help": (
        "<b>How it works</b>\n\n"
        "1. <b>Spawn</b> an agent: name, balance, strategy, risk.\n"
        "2. <b>Enable Trading</b>: from then on it trades by itself.\n"
        "3. <b>Disable Trading</b>: it opens nothing new; open trades keep their stop loss.\n"
        "4. <b>Emergency Stop</b>: it closes everything at once and stays stopped until you "
        "resume it.\n\n"
        "Write to it in plain words, for example <i>only BTC</i>, <i>pause for 2 hours</i> or "
        "<i>close everything</i>.\n\n"
        "/agents shows your agents, /stop stops all of them at once."
    ),
    "language_changed": "I speak English with you now.",
    "agents_none": "You have no agent yet. Spawning one takes a minute.",
    "agents_some": "<b>Your agents</b>\n\n{agents}",
    "agents_line": "{dot} {name}: {balance} USDC",
    # The upgrade.
    "upgrade": (
        "⭐ <b>Autonomous trading is for Lifetime Premium members only.</b>\n\n"
        "Lifetime Premium brings you:\n"
        "• Autonomous agents that trade for you day and night\n"
        "• Full autonomy: no approval for each trade\n"
        "• Advanced risk management: stop loss, size and daily loss limits\n"
        "• Priority support"
    ),
    # Spawning.
    "spawn_name": (
        "<b>New agent, step 1 of 4</b>\n\n"
        "What shall it be called? Write a name of up to 40 characters."
    ),
    "spawn_balance": (
        "<b>New agent, step 2 of 4</b>\n\n"
        "How much USDC shall {name} trade with? Write an amount from 10 to 1,000,000, for example "
        "<code>100</code> or <code>250.50</code>."
    ),
    "spawn_strategy": (
        "<b>New agent, step 3 of 4</b>\n\n"
        "Which strategy?\n\n"
        "<b>Conservative</b>: buys small dips in a steady uptrend.\n"
        "<b>Moderate</b>: buys breakouts above recent highs.\n"
        "<b>Aggressive</b>: buys rebounds after sharp falls; the most ups and downs."
    ),
    "spawn_risk": (
        "<b>New agent, step 4 of 4</b>\n\n"
        "How much risk? The first figure is the most it puts into one trade, the second the loss "
        "that stops it for the day.\n\n"
        "<b>Low</b>: 2 % a trade, 5 % a day\n"
        "<b>Medium</b>: 5 % a trade, 10 % a day\n"
        "<b>High</b>: 10 % a trade, 20 % a day"
    ),
    "spawn_confirm": (
        "<b>Spawn this agent?</b>\n\n"
        "Name: <b>{name}</b>\n"
        "Balance: <b>{balance} USDC</b>\n"
        "Strategy: <b>{strategy}</b>\n"
        "Risk: <b>{risk}</b> ({trade_pct} % a trade, {day_pct} % a day)"
    ),
    "spawn_done": "✅ {name} is ready. It trades as soon as you enable it.",
    "spawn_done_before": "{name} was spawned already, once.",
    "cancelled": "Cancelled.",
    "spawn_use_buttons": "Please choose with a button:",
    "dialogue_over": "This dialogue is over.",
    "name_length": "A name has 1 to 40 characters. Please write another one.",
    "name_characters": (
        "A name cannot contain <code>&lt;</code>, <code>&gt;</code> or invisible characters. "
        "Please write another one."
    ),
    "amount_ambiguous": (
        "I do not want to guess what {text} means. Please write the amount without a thousands "
        "separator, for example <code>1000</code> or <code>1000.50</code>."
    ),
    "amount_negative": "A balance is above zero. Please write an amount such as <code>100</code>.",
    "amount_too_precise": (
        "USDC has two decimals here. Please write an amount such as <code>250.50</code>."
    ),
    "amount_not_a_number": (
        "That is not an amount I can read. Please write digits only, for example <code>100</code> "
        "or <code>250.50</code>."
    ),
    "amount_range": (
        "A balance is from 10 to 1,000,000 USDC. Please write an amount in that range."
    ),
    # The card.
    "card": (
        "🤖 <b>{name}</b>\n{state}\n\n"
        "Equity: <b>{equity} USDC</b>, P&amp;L {profit} ({profit_pct} %)\n"
        "{strategy} strategy, {risk} risk: {trade_pct} % a trade, {day_pct} % a day"
    ),
    "state_trading": "🟢 <b>Trading</b>: it looks at the market every 5 minutes.",
    "state_waiting": "🟡 <b>Enabled</b>, waiting for its turn. This usually takes seconds.",
    "state_disabled": "⚪ <b>Disabled</b>: it opens no trades.",
    "state_halted": (
        "🟠 <b>Halted until midnight UTC</b>, because it reached its daily loss limit of "
        "{day_pct} %."
    ),
    "state_halted_otherwise": "🟠 <b>Halted</b> until {until}.",
    "state_emergency_stopped": (
        "🔴 <b>Emergency-stopped</b> since {since}. It stays stopped until you press Resume."
    ),
    "state_platform_halted": "🟠 <b>Trading is paused for everyone</b>: {reason}",
    "open_keep_stop_one": "Its open trade keeps its stop loss.",
    "open_keep_stop_many": "Its {count} open trades keep their stop loss.",
    "open_closing_one": "Its open trade is being closed.",
    "open_closing_many": "Its {count} open trades are being closed.",
    # Agent status.
    "status": (
        "📊 <b>{name}</b>\n{state}\n\n"
        "Balance: <b>{balance} USDC</b>\n"
        "Equity: <b>{equity} USDC</b>\n"
        "P&amp;L: <b>{profit} USDC</b> ({profit_pct} %)\n"
        "Total trades: <b>{total}</b>\n"
        "Win rate: <b>{win_rate}</b>\n"
        "Last trade: {last_trade}\n"
        "Open trades: <b>{open}</b>"
    ),
    "win_rate": "{pct} % ({wins} of {total})",
    "win_rate_none": "no closed trade yet",
    "last_trade_none": "none yet",
    "open_trade": (
        "• {symbol}: {quantity} bought at {entry_price}, now {mark_price}, stop loss {stop_price}"
    ),
    # Trades.
    "trades": "📜 <b>Last trades of {name}</b>\n\n{trades}",
    "trades_none": "📜 <b>{name}</b> has not traded yet.",
    "trade_closed_line": (
        "{mark} <b>{symbol}</b> {profit} USDC ({profit_pct} %)\n"
        "{entry_price} → {exit_price}, {reason}, {at}"
    ),
    "trade_open_line": (
        "⏳ <b>{symbol}</b> open: bought at {entry_price}, now {mark_price}\n"
        "{reason}, stop loss {stop_price}, since {at}"
    ),
    # What a press is answered with.
    "enabled": "Trading is enabled.",
    "disabled": "Trading is disabled.",
    "stopped": "Emergency stop: no new trades, everything is being closed.",
    "resumed": "Resumed: trading is enabled.",
    "up_to_date": "Up to date.",
    "not_your_agent": "This is not one of your agents.",
    "old_button": "This button is from an earlier message. Here is where you are now:",
    "stop_all_one": "🔴 <b>Emergency stop.</b> {names} is stopped; what it holds is being closed.",
    "stop_all_many": (
        "🔴 <b>Emergency stop.</b> {count} agents are stopped ({names}); what they hold is being "
        "closed."
    ),
    "stop_all_none": "None of your agents needs stopping.",
    # Instructions.
    "instruct_ask": (
        "What shall {name} do? Write it in plain words, for example:\n"
        "• <i>only BTC</i>\n"
        "• <i>pause for 2 hours</i>\n"
        "• <i>use at most 2 % per trade</i>\n"
        "• <i>take profit now</i>\n"
        "• <i>back to normal</i>"
    ),
    "instruct_which": "Which agent do you mean?",
    "instruct_passed_on": "Understood. I told {name}; the answer comes in a moment.",
    "instruct_passed_on_before": "I told {name} already.",
    "instruct_no_agent": "You have no agent yet that I could tell this.",
    # What cannot be read.
    "text_only": "I only read text, sorry.",
    "edited": "I read a message once, as it was sent. Please send it again as a new message.",
    "unknown_command": "I do not know this command. /help shows what I can do.",
    "private_only": "I only work in a private chat. Please write to me there.",
    # Refusals and trouble.
    "one_moment": "One moment, please: I cannot reach my notes right now. Nothing is lost, please "
    "try again shortly.",
    "still_trying": "One moment: I cannot reach the agent right now and keep trying.",
    "could_not_stop": "⚠️ I could not reach the agent yet. <b>Please press it again.</b>",
    "our_fault": "Something is wrong on our side, sorry. We have been told and are looking at it.",
    "refused_emergency_stopped": ("It is emergency-stopped. Press Resume to let it trade again."),
    "refused_platform_halted": "Trading is paused for everyone right now. Please try again later.",
    "refused_not_allowed": "This is not one of your agents.",
    "refused_text_length": "Please write between 1 and 4096 characters.",
    "refused_bad_input": "I could not read that. Please write it in another way.",
    "refused_limit_beyond_level": "A limit can be tightened, but not loosened past its risk level.",
    "refused_other": "That is not possible right now.",
    # Labels.
    "label_ai_agent": "AI Agent",
    "label_help": "Help",
    "label_language": "Bahasa Indonesia",
    "label_spawn": "Spawn New Agent",
    "label_upgrade": "Upgrade to Lifetime Premium",
    "label_confirm": "Confirm",
    "label_cancel": "Cancel",
    "label_enable": "Enable Trading",
    "label_disable": "Disable Trading",
    "label_status": "Agent Status",
    "label_trades": "Trades",
    "label_stop": "Emergency Stop",
    "label_resume": "Resume",
    "label_instruct": "Instruct",
    "label_refresh": "Refresh",
    "label_back": "Back",
    "label_open": "Open {name}",
    "strategy_conservative": "Conservative",
    "strategy_moderate": "Moderate",
    "strategy_aggressive": "Aggressive",
    "risk_low": "Low",
    "risk_medium": "Medium",
    "risk_high": "High",
    "risk_choice": "{risk}: {trade_pct} % a trade, {day_pct} % a day",
    # Commands, as Telegram lists them.
    "command_start": "Menu",
    "command_agents": "My agents",
    "command_stop": "Emergency stop of all my agents",
    "command_help": "How it works",
    "command_cancel": "Leave the current dialogue",
    # Dates.
    "months": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "time": "{day} {month} {year}, {hour:02}:{minute:02} UTC",
}
