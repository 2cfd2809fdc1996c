"""Bahasa Indonesia."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    # Menu.
    "menu": (
        "👋 <b>Halo, {name}!</b>\n\n"
        "AI agent kamu memantau pasar setiap 5 menit dan trading sendiri, di dalam batas yang kamu "
        "pilih. Kamu bisa menghentikannya kapan saja."
    ),
    "help": (
        "<b>Cara kerjanya</b>\n\n"
        "1. <b>Buat agent</b>: nama, saldo, strategi, risiko.\n"
        "2. <b>Aktifkan Trading</b>: sejak itu agent trading sendiri.\n"
        "3. <b>Nonaktifkan Trading</b>: tidak membuka trade baru; trade yang terbuka tetap punya "
        "stop loss.\n"
        "4. <b>Stop Darurat</b>: semua trade langsung ditutup dan agent tetap berhenti sampai kamu "
        "melanjutkannya.\n\n"
        "Tulis instruksi dengan kata biasa, misalnya <i>hanya BTC</i>, <i>jeda 2 jam</i> atau "
        "<i>tutup semua</i>.\n\n"
        "/agents menampilkan agent kamu, /stop menghentikan semuanya sekaligus."
    ),
    "language_changed": "Sekarang saya berbahasa Indonesia.",
    "agents_none": "Kamu belum punya agent. Membuatnya hanya butuh satu menit.",
    "agents_some": "<b>Agent kamu</b>\n\n{agents}",
    "agents_line": "{dot} {name}: {balance} USDC",
    # The upgrade.
    "upgrade": (
        "⭐ <b>Trading otomatis hanya untuk member Lifetime Premium.</b>\n\n"
        "Dengan Lifetime Premium kamu mendapat:\n"
        "• Agent otonom yang trading untukmu siang dan malam\n"
        "• Otonomi penuh: tanpa persetujuan untuk setiap trade\n"
        "• Manajemen risiko lanjutan: stop loss, batas ukuran dan batas rugi harian\n"
        "• Dukungan prioritas"
    ),
    # Spawning.
    "spawn_name": (
        "<b>Agent baru, langkah 1 dari 4</b>\n\n"
        "Apa namanya? Tulis nama, paling panjang 40 karakter."
    ),
    "spawn_balance": (
        "<b>Agent baru, langkah 2 dari 4</b>\n\n"
        "Berapa USDC yang dipakai {name} untuk trading? Tulis jumlah dari 10 sampai 1.000.000, "
        "misalnya <code>100</code> atau <code>250,50</code>."
    ),
    "spawn_strategy": (
        "<b>Agent baru, langkah 3 dari 4</b>\n\n"
        "Strategi mana?\n\n"
        "<b>Konservatif</b>: membeli saat harga turun sedikit di dalam tren naik.\n"
        "<b>Moderat</b>: membeli saat harga menembus puncak terakhir.\n"
        "<b>Agresif</b>: membeli saat harga berbalik setelah jatuh tajam; paling naik turun."
    ),
    "spawn_risk": (
        "<b>Agent baru, langkah 4 dari 4</b>\n\n"
        "Seberapa besar risikonya? Angka pertama adalah batas satu trade, angka kedua adalah "
        "kerugian yang menghentikannya untuk hari itu.\n\n"
        "<b>Rendah</b>: 2 % per trade, 5 % per hari\n"
        "<b>Sedang</b>: 5 % per trade, 10 % per hari\n"
        "<b>Tinggi</b>: 10 % per trade, 20 % per hari"
    ),
    "spawn_confirm": (
        "<b>Buat agent ini?</b>\n\n"
        "Nama: <b>{name}</b>\n"
        "Saldo: <b>{balance} USDC</b>\n"
        "Strategi: <b>{strategy}</b>\n"
        "Risiko: <b>{risk}</b> ({trade_pct} % per trade, {day_pct} % per hari)"
    ),
    "spawn_done": "✅ {name} siap. Agent mulai trading begitu kamu mengaktifkannya.",
    "spawn_done_before": "{name} sudah dibuat tadi, satu kali.",
    "cancelled": "Dibatalkan.",
    "spawn_use_buttons": "Silakan pilih dengan tombol:",
    "dialogue_over": "Dialog ini sudah selesai.",
    "name_length": "Nama terdiri dari 1 sampai 40 karakter. Silakan tulis nama lain.",
    "name_characters": (
        "Nama tidak boleh berisi <code>&lt;</code>, <code>&gt;</code> atau karakter tak terlihat. "
        "Silakan tulis nama lain."
    ),
    "amount_ambiguous": (
        "Saya tidak mau menebak arti {text}. Silakan tulis jumlahnya tanpa pemisah ribuan, "
        "misalnya <code>1000</code> atau <code>1000,50</code>."
    ),
    "amount_negative": "Saldo harus di atas nol. Silakan tulis jumlah seperti <code>100</code>.",
    "amount_too_precise": (
        "USDC di sini memakai dua desimal. Silakan tulis jumlah seperti <code>250,50</code>."
    ),
    "amount_not_a_number": (
        "Itu bukan jumlah yang bisa saya baca. Silakan tulis angka saja, misalnya <code>100</code> "
        "atau <code>250,50</code>."
    ),
    "amount_range": (
        "Saldo dari 10 sampai 1.000.000 USDC. Silakan tulis jumlah di dalam batas itu."
    ),
    # The card.
    "card": (
        "🤖 <b>{name}</b>\n{state}\n\n"
        "Ekuitas: <b>{equity} USDC</b>, P&amp;L {profit} ({profit_pct} %)\n"
        "Strategi {strategy}, risiko {risk}: {trade_pct} % per trade, {day_pct} % per hari"
    ),
    "state_trading": "🟢 <b>Trading</b>: memantau pasar setiap 5 menit.",
    "state_waiting": "🟡 <b>Aktif</b>, menunggu giliran mulai. Biasanya hanya beberapa detik.",
    "state_disabled": "⚪ <b>Nonaktif</b>: tidak membuka trade.",
    "state_halted": (
        "🟠 <b>Berhenti sampai tengah malam UTC</b>, karena mencapai batas rugi harian {day_pct} %."
    ),
    "state_halted_otherwise": "🟠 <b>Berhenti</b> sampai {until}.",
    "state_emergency_stopped": (
        "🔴 <b>Stop darurat</b> sejak {since}. Agent tetap berhenti sampai kamu menekan Lanjutkan."
    ),
    "state_platform_halted": "🟠 <b>Trading dijeda untuk semua member</b>: {reason}",
    "open_keep_stop_one": "Satu trade yang terbuka tetap punya stop loss.",
    "open_keep_stop_many": "{count} trade yang terbuka tetap punya stop loss.",
    "open_closing_one": "Satu trade yang terbuka sedang ditutup.",
    "open_closing_many": "{count} trade yang terbuka sedang ditutup.",
    # Agent status.
    "status": (
        "📊 <b>{name}</b>\n{state}\n\n"
        "Saldo: <b>{balance} USDC</b>\n"
        "Ekuitas: <b>{equity} USDC</b>\n"
        "P&amp;L: <b>{profit} USDC</b> ({profit_pct} %)\n"
        "Jumlah trade: <b>{total}</b>\n"
        "Win rate: <b>{win_rate}</b>\n"
        "Trade terakhir: {last_trade}\n"
        "Trade terbuka: <b>{open}</b>"
    ),
    "win_rate": "{pct} % ({wins} dari {total})",
    "win_rate_none": "belum ada trade yang selesai",
    "last_trade_none": "belum ada",
    "open_trade": (
        "• {symbol}: {quantity} dibeli di {entry_price}, sekarang {mark_price}, stop loss "
        "{stop_price}"
    ),
    # Trades.
    "trades": "📜 <b>Trade terakhir {name}</b>\n\n{trades}",
    "trades_none": "📜 <b>{name}</b> belum melakukan trade.",
    "trade_closed_line": (
        "{mark} <b>{symbol}</b> {profit} USDC ({profit_pct} %)\n"
        "{entry_price} → {exit_price}, {reason}, {at}"
    ),
    "trade_open_line": (
        "⏳ <b>{symbol}</b> terbuka: dibeli di {entry_price}, sekarang {mark_price}\n"
        "{reason}, stop loss {stop_price}, sejak {at}"
    ),
    # What a press is answered with.
    "enabled": "Trading aktif.",
    "disabled": "Trading nonaktif.",
    "stopped": "Stop darurat: tidak ada trade baru, semuanya sedang ditutup.",
    "resumed": "Dilanjutkan: trading aktif.",
    "up_to_date": "Sudah terbaru.",
    "not_your_agent": "Ini bukan agent kamu.",
    "old_button": "Tombol ini dari pesan lama. Ini posisi kamu sekarang:",
    "stop_all_one": (
        "🔴 <b>Stop darurat.</b> {names} dihentikan; trade yang terbuka sedang ditutup."
    ),
    "stop_all_many": (
        "🔴 <b>Stop darurat.</b> {count} agent dihentikan ({names}); trade yang terbuka sedang "
        "ditutup."
    ),
    "stop_all_none": "Tidak ada agent yang perlu dihentikan.",
    # Instructions.
    "instruct_ask": (
        "Apa yang harus {name} lakukan? Tulis dengan kata biasa, misalnya:\n"
        "• <i>hanya BTC</i>\n"
        "• <i>jeda 2 jam</i>\n"
        "• <i>maksimal 2 % per trade</i>\n"
        "• <i>ambil untung sekarang</i>\n"
        "• <i>kembali normal</i>"
    ),
    "instruct_which": "Agent mana yang kamu maksud?",
    "instruct_passed_on": "Baik. Sudah saya sampaikan ke {name}; jawabannya segera datang.",
    "instruct_passed_on_before": "Itu sudah saya sampaikan ke {name}.",
    "instruct_no_agent": "Kamu belum punya agent yang bisa saya beri tahu.",
    # What cannot be read.
    "text_only": "Maaf, saya hanya membaca teks.",
    "edited": "Saya membaca pesan satu kali, saat dikirim. Silakan kirim lagi sebagai pesan baru.",
    "unknown_command": "Saya tidak kenal perintah ini. /help menjelaskan apa yang saya bisa.",
    "private_only": "Saya hanya bekerja di chat pribadi. Silakan tulis ke saya di sana.",
    # Refusals and trouble.
    "one_moment": "Mohon tunggu: catatan saya sedang tidak bisa dibuka. Tidak ada yang hilang, "
    "silakan coba lagi sebentar lagi.",
    "still_trying": "Mohon tunggu: agent sedang tidak bisa dihubungi, saya terus mencoba.",
    "could_not_stop": "⚠️ Agent belum bisa dihubungi. <b>Silakan tekan sekali lagi.</b>",
    "our_fault": "Maaf, ada masalah di pihak kami. Kami sudah tahu dan sedang memeriksanya.",
    "refused_emergency_stopped": (
        "Agent sedang stop darurat. Tekan Lanjutkan supaya bisa trading lagi."
    ),
    "refused_platform_halted": (
        "Trading sedang dijeda untuk semua member. Silakan coba lagi nanti."
    ),
    "refused_not_allowed": "Ini bukan agent kamu.",
    "refused_text_length": "Silakan tulis antara 1 dan 4096 karakter.",
    "refused_bad_input": "Itu tidak bisa saya baca. Silakan tulis dengan cara lain.",
    "refused_limit_beyond_level": (
        "Batas bisa diperketat, tetapi tidak bisa dilonggarkan melebihi tingkat risikonya."
    ),
    "refused_other": "Itu sedang tidak bisa dilakukan.",
    # Labels.
    "label_ai_agent": "AI Agent",
    "label_help": "Bantuan",
    "label_language": "English",
    "label_spawn": "Buat Agent Baru",
    "label_upgrade": "Upgrade ke Lifetime Premium",
    "label_confirm": "Konfirmasi",
    "label_cancel": "Batal",
    "label_enable": "Aktifkan Trading",
    "label_disable": "Nonaktifkan Trading",
    "label_status": "Status Agent",
    "label_trades": "Riwayat Trade",
    "label_stop": "Stop Darurat",
    "label_resume": "Lanjutkan",
    "label_instruct": "Beri Instruksi",
    "label_refresh": "Perbarui",
    "label_back": "Kembali",
    "label_open": "Buka {name}",
    "strategy_conservative": "Konservatif",
    "strategy_moderate": "Moderat",
    "strategy_aggressive": "Agresif",
    "risk_low": "Rendah",
    "risk_medium": "Sedang",
    "risk_high": "Tinggi",
    "risk_choice": "{risk}: {trade_pct} % per trade, {day_pct} % per hari",
    # Commands, as Telegram lists them.
    "command_start": "Menu",
    "command_agents": "Agent saya",
    "command_stop": "Stop darurat semua agent saya",
    "command_help": "Cara kerjanya",
    "command_cancel": "Keluar dari dialog ini",
    # Dates.
    "months": "Jan Feb Mar Apr Mei Jun Jul Agu Sep Okt Nov Des",
    "time": "{day} {month} {year}, {hour:02}.{minute:02} UTC",
}
