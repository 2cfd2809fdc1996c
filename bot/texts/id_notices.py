"""Bahasa Indonesia: what agents tell their owners by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    # Messages that come by themselves.
    "notice_trade_opened": (
        "📈 <b>{agent_name}</b> membuka trade\n"
        "{symbol}: {quantity} dibeli di {price}, stop loss {stop_price}\n"
        "Alasan: {reason}"
    ),
    "notice_trade_closed": (
        "{mark} <b>{agent_name}</b> menutup trade\n"
        "{symbol} dijual di {price}: <b>{profit} USDC</b> ({profit_pct} %)\n"
        "Alasan: {reason}"
    ),
    "notice_emergency_stopped": "🔴 <b>{agent_name}</b> dihentikan darurat. {open_trades}",
    "notice_emergency_open_none": "Tidak ada trade yang terbuka.",
    "notice_emergency_open_one": "Satu trade yang terbuka sedang ditutup.",
    "notice_emergency_open_many": "{count} trade yang terbuka sedang ditutup.",
    "notice_emergency_done": "🔴 <b>{agent_name}</b>: stop darurat selesai. {closed}",
    "notice_emergency_closed_none": "Tidak ada yang perlu ditutup.",
    "notice_emergency_closed_one": "Satu trade ditutup, hasil {profit} USDC.",
    "notice_emergency_closed_many": "{count} trade ditutup, hasil {profit} USDC.",
    "notice_downgraded": (
        "⭐ Kamu bukan lagi member Lifetime Premium, jadi {disabled} Trade yang terbuka tetap "
        "punya stop loss, dan kamu tetap bisa menghentikan semuanya kapan saja."
    ),
    "notice_downgraded_none": "agent kamu tidak bisa diaktifkan.",
    "notice_downgraded_one": "agent kamu dinonaktifkan.",
    "notice_downgraded_many": "{count} agent kamu dinonaktifkan.",
    "notice_daily_loss_halt": (
        "🟠 <b>{agent_name}</b> mencapai batas rugi harian {limit_pct} % dan berhenti sampai "
        "tengah malam UTC.\n"
        "Ekuitas {equity} USDC, di awal hari {day_start_equity} USDC. Trade yang terbuka sedang "
        "ditutup."
    ),
    "notice_platform_halted": (
        "🟠 Trading dijeda untuk semua member: {reason}\n"
        "Agent kamu tidak membuka trade baru, dan trade yang terbuka sedang ditutup."
    ),
    "notice_platform_resumed": (
        "🟢 Trading berjalan lagi untuk semua member, juga agent kamu yang aktif."
    ),
    "notice_instruction_answered": "💬 <b>{agent_name}</b>: {answer}",
    "notice_other": "Ada kabar tentang {agent_name}. Kartunya menampilkan keadaannya.",
    "notice_other_no_agent": "Ada kabar tentang agent kamu. /agents menampilkan keadaannya.",
    # Why a trade was opened or closed.
    "reason_pullback": "harga turun sedikit di dalam tren naik",
    "reason_breakout": "harga menembus puncak terakhir",
    "reason_rebound": "harga berbalik setelah jatuh",
    "reason_stop_loss": "stop loss",
    "reason_trailing_stop": "trailing stop, yang mengikuti harga naik",
    "reason_take_profit": "target untung tercapai",
    "reason_signal": "tren berbalik",
    "reason_time_limit": "sudah cukup lama terbuka",
    "reason_instruction": "permintaan kamu",
    "reason_daily_loss": "batas rugi harian",
    "reason_emergency": "stop darurat",
    "reason_platform_halt": "trading dijeda untuk semua member",
    "reason_stray": "ditemukan di bursa",
    "reason_other": "keputusan strategi",
    # What an agent answers: a command it follows from now on,
    "answer_only_symbols": "Mulai sekarang saya hanya membeli {symbols}.",
    "answer_avoid_symbols": "Saya tidak membeli {symbols} lagi.",
    "answer_smaller_size": "Mulai sekarang saya memakai paling banyak {percent} % per trade.",
    "answer_tighter_daily_loss": (
        "Mulai sekarang saya berhenti untuk hari itu setelah rugi {percent} %."
    ),
    "answer_pause": "Saya tidak membuka trade baru selama {duration}. Stop loss tetap berjalan.",
    "answer_close_all": "Saya sedang menutup semua trade.",
    "answer_close_symbols": "Saya sedang menutup trade {symbols}.",
    "answer_take_profit_now": "Saya sedang menutup trade yang untung.",
    "answer_take_profit_now_in": "Saya sedang menutup trade {symbols} yang untung.",
    "answer_resume_normal": "Kembali normal: instruksi sebelumnya tidak berlaku lagi.",
    # or why it does not.
    "answer_not_understood": (
        "Saya tidak mengerti. Coba misalnya <i>hanya BTC</i>, <i>jeda 2 jam</i> atau "
        "<i>tutup semua</i>."
    ),
    "answer_too_long": "Itu terlalu panjang untuk saya. Tolong tulis dalam satu kalimat pendek.",
    "answer_question": (
        "Saya tidak bisa menjawab pertanyaan, hanya menjalankan instruksi. Status Agent "
        "menampilkan hasil saya."
    ),
    "answer_conditional": (
        "Saya tidak bisa menunggu syarat. Tolong tulis apa yang harus saya lakukan sekarang."
    ),
    "answer_negated": (
        "Saya kurang yakin maksud kata <i>jangan</i> atau <i>tidak</i> itu. Tolong tulis apa yang "
        "harus saya lakukan."
    ),
    "answer_one_at_a_time": "Satu per satu, ya: kirim setiap instruksi sendiri-sendiri.",
    "answer_which_symbol": "Koin mana yang kamu maksud? Misalnya <i>tutup BTC</i>.",
    "answer_unknown_symbol": "Saya tidak trading koin itu.",
    "answer_no_symbol_left": "Nanti tidak ada lagi yang bisa saya tradingkan.",
    "answer_which_percent": "Berapa persen? Misalnya <i>maksimal 2 % per trade</i>.",
    "answer_how_long": "Berapa lama? Misalnya <i>jeda 2 jam</i>.",
    "answer_pause_too_long": (
        "Saya bisa jeda paling lama satu minggu. Untuk lebih lama, nonaktifkan trading."
    ),
    "answer_looser_than_limit": "Itu melebihi batas saya. Risiko saya hanya bisa diperkecil.",
    "answer_stop_loss_is_fixed": "Stop loss saya tidak bisa diubah; itu melindungi saldo kamu.",
    "answer_use_buttons": "Untuk itu silakan pakai tombol di kartu saya.",
    "answer_expired": "Instruksi kamu terlambat untuk dijalankan. Silakan kirim lagi.",
    "answer_other": "Instruksi kamu sudah saya baca.",
    "minutes_one": "{count} menit",
    "minutes_many": "{count} menit",
    "hours_one": "{count} jam",
    "hours_many": "{count} jam",
    "days_one": "{count} hari",
    "days_many": "{count} hari",
}
