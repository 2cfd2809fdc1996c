"""A printed chat is what people judge the bot by, so it is held line by line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from local.telegram import Chat, Event, EventKind, Message, User, render, render_messages
from local.telegram.files import StoredFile
from local.telegram.model import Entity, Media, MediaKind
from local.telegram.transcript import columns

BOT = User(1, "Automaton", is_bot=True)
BUDI = User(7, "Budi")
CHAT = Chat(7, "private", "Budi")
GROUP = Chat(-5, "group", "Traders")
MENU = {
    "inline_keyboard": [
        [{"text": "🤖 AI Agent", "callback_data": "a"}, {"text": "❓ Help", "callback_data": "h"}],
        [{"text": "Upgrade", "url": "https://e.org/"}],
    ]
}


def message(text: str, sender: User = BOT, **fields: Any) -> Message:
    return Message(1, fields.pop("chat", CHAT), sender, 1_700_000_000, text, **fields)


def event(kind: EventKind, actor: User, **fields: Any) -> Event:
    return Event(0, kind, fields.pop("chat", CHAT), actor, 1_700_000_000, **fields)


def sent(what: Message) -> Event:
    return event(EventKind.SENT, what.sender, message=what, chat=what.chat)


def test_conversation_reads_as_a_person_would_see_it() -> None:
    menu = message("<Halo> Budi!\nPilih:", markup=MENU)
    text = render(
        [
            sent(message("/start", BUDI)),
            sent(menu),
            event(EventKind.PRESSED, BUDI, message=menu, text="🤖 AI Agent"),
            event(EventKind.ANSWERED, BOT, text=""),
            event(EventKind.ANSWERED, BOT, text="Sebentar"),
            event(EventKind.ANSWERED, BOT, text="Tidak boleh", is_alert=True),
            event(EventKind.TYPING, BOT, text="typing"),
            event(EventKind.EDITED, BOT, message=message("Agen Anda")),
            event(EventKind.DELETED, BOT, message=message("Rahasia\nsekali")),
            event(EventKind.BLOCKED, BUDI),
        ]
    )
    assert text.split("\n") == [
        "Budi      › /start",
        "Automaton : <Halo> Budi!",
        "            Pilih:",
        "            [🤖 AI Agent] [❓ Help]",
        "            [Upgrade ↗]",
        "Budi      ▸ [🤖 AI Agent]",
        "Automaton : (toast) Sebentar",
        "Automaton : (alert) Tidak boleh",
        "Automaton : (edited) Agen Anda",
        "Automaton : (deleted) Rahasia",
        "Budi      · (blocked the bot)",
    ]


def test_long_lines_wrap_at_words_within_the_width() -> None:
    words = "satu dua tiga empat lima enam tujuh delapan sembilan sepuluh"
    lines = render([sent(message(words))], width=40).split("\n")
    assert len(lines) > 1
    assert all(columns(line) <= 40 for line in lines)
    assert " ".join(line[12:] for line in lines) == words


def test_word_longer_than_the_line_stays_whole() -> None:
    address = "0x" + "a" * 60
    assert address in render([sent(message(f"ke {address} ya"))], width=40).split("\n")[1]


def test_rows_of_buttons_wrap_between_buttons() -> None:
    keys = [{"text": f"Pilihan {number}", "callback_data": "x"} for number in range(4)]
    lines = render([sent(message("?", markup={"inline_keyboard": [keys]}))], width=40).split("\n")
    assert [line.strip() for line in lines[1:]] == [
        "[Pilihan 0] [Pilihan 1]",
        "[Pilihan 2] [Pilihan 3]",
    ]


def test_links_show_where_they_lead_whatever_stands_before_them() -> None:
    link = Entity(type="text_link", offset=3, length=4, url="https://e.org/")
    bold = Entity(type="bold", offset=0, length=2)
    shown = render_messages([message("🤖 sini ya", entities=(bold, link))])
    assert shown == "Automaton : 🤖 sini (https://e.org/) ya"


def test_media_is_named_with_its_caption() -> None:
    def shown(kind: MediaKind, content: bytes = b"", **details: Any) -> str:
        file = StoredFile("a", "b", kind, "c", "d", content)
        return render_messages([message("Hasil", media=Media(kind, file, tuple(details.items())))])

    assert "[photo 800×400]\n            Hasil" in shown("photo", width=800, height=400)
    assert "[file a.csv, 1.5 kB]" in shown("document", b"x" * 1_500, file_name="a.csv")
    assert "[sticker 👍]" in shown("sticker", emoji="👍")
    assert "[voice message, 3 s]" in shown("voice", duration=3)


def test_groups_and_times_are_named_when_they_matter() -> None:
    in_group = message("/help", BUDI, chat=GROUP)
    assert render([sent(in_group)], show_times=True) == "22:13:20 [Traders] Budi      › /help"


def test_screen_marks_what_was_edited() -> None:
    edited = replace(message("Baru"), edited_at_seconds=5)
    assert render_messages([edited]) == "Automaton : (edited) Baru"


def test_wide_and_joined_signs_take_the_columns_they_are_drawn_in() -> None:
    assert [columns(text) for text in ("abc", "🤖", "日本", "e\u0301", "❤\ufe0f")] == [
        3,
        2,
        4,
        1,
        1,
    ]
