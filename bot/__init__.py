"""The Telegram bot: it turns presses and texts into rows, and rows into messages."""
