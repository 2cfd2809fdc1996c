"""Telegram's HTML is neither HTML nor XML; what it takes and refuses is held here."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.telegram.entities import formatted
from local.telegram.errors import ApiError, Unsupported
from local.telegram.markup import checked_link, parse_html, utf16_length
from local.telegram.model import Entity

TAGS = {"b": "bold", "i": "italic", "u": "underline", "s": "strikethrough", "tg-spoiler": "spoiler"}
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def marked_up(draw: st.DrawFn, depth: int = 3) -> tuple[str, str]:
    """Draw source and the plain text that it must become."""
    source, plain = "", ""
    for _ in range(draw(st.integers(0, 3))):
        word = draw(words)
        inner = (html.escape(word), word) if depth == 0 else draw(marked_up(depth - 1))
        tag = draw(st.sampled_from([None, *TAGS]))
        source += inner[0] if tag is None else f"<{tag}>{inner[0]}</{tag}>"
        plain += inner[1]
    return source, plain


@given(marked_up())
def test_well_formed_markup_becomes_its_plain_text_with_entities_inside_it(
    drawn: tuple[str, str],
) -> None:
    source, plain = drawn
    text, entities = parse_html(source)
    assert text == plain
    for entity in entities:
        assert entity["length"] > 0
        assert entity["offset"] + entity["length"] <= utf16_length(text)
        assert entity["type"] in TAGS.values()


@given(st.text())
def test_any_text_escaped_comes_back_unchanged(text: str) -> None:
    assert parse_html(html.escape(text)) == (text, [])


@given(st.lists(st.sampled_from(["<a href=", "<b>", "</b>", "</", *"<>/&;#x=\"' abilt\n🤖-0[]:"])))
def test_any_input_is_parsed_or_refused_with_a_bad_request(pieces: list[str]) -> None:
    source = "".join(pieces)
    try:
        text, entities = formatted(source, parse_mode="HTML")
    except ApiError as refusal:
        outcome, text, entities = refusal.description, "", ()
    else:
        outcome = "Bad Request: can't parse entities: not at all"
    assert outcome.startswith("Bad Request: can't parse entities: ")
    assert "<" not in text or "&lt" in source or "&#" in source
    for entity in entities:
        assert 0 <= entity["offset"] < entity["offset"] + entity["length"]
        assert entity["offset"] + entity["length"] <= utf16_length(text)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("5 <3", "Unclosed start tag at byte offset 2"),
        ("é<br>", 'Unsupported start tag "br" at byte offset 2'),
        ("<br/>", 'Unsupported start tag "br/" at byte offset 0'),
        ("<h1>x</h1>", 'Unsupported start tag "h1" at byte offset 0'),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b><i>x</b>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<b", "Unclosed start tag at byte offset 0"),
        ('<a href="x', "Unclosed start tag at byte offset 0"),
        ("<a href=", 'Unclosed start tag "a" at byte offset 0'),
        ("<a href=ex*>y</a>", "Unexpected end of name token at byte offset 8"),
        ("<a =x>y</a>", 'Empty attribute name in the tag "a" at byte offset 0'),
        (
            "<a href>y</a>",
            'Expected equal sign in declaration of an attribute of the tag "a" at byte offset 0',
        ),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("<tg-emoji>x</tg-emoji>", "Invalid custom emoji identifier specified"),
    ],
)
def test_bad_markup_is_refused_in_telegrams_words(source: str, problem: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_html(source)
    assert refusal.value.status == 400
    assert refusal.value.description == f"Bad Request: can't parse entities: {problem}"


@pytest.mark.parametrize(
    ("source", "text", "entity"),
    [
        ("<STRONG>x</Strong>", "x", Entity(type="bold", offset=0, length=1)),
        ("🤖<b>🤖</b>", "🤖🤖", Entity(type="bold", offset=2, length=2)),
        ("<ins>x</>", "x", Entity(type="underline", offset=0, length=1)),
        ('<span class="tg-spoiler">x</span>', "x", Entity(type="spoiler", offset=0, length=1)),
        (
            '<pre><code class="language-python">x</code></pre>',
            "x",
            Entity(type="pre", offset=0, length=1, language="python"),
        ),
        (
            "<a href='https://e.org?a=1&amp;b=2'>x</a>",
            "x",
            Entity(type="text_link", offset=0, length=1, url="https://e.org/?a=1&b=2"),
        ),
        (
            "<blockquote expandable>x</blockquote>",
            "x",
            Entity(type="expandable_blockquote", offset=0, length=1),
        ),
        (
            '<tg-emoji emoji-id="5368">👍</tg-emoji>',
            "👍",
            Entity(type="custom_emoji", offset=0, length=2, custom_emoji_id="5368"),
        ),
    ],
)
def test_each_tag_becomes_its_entity(source: str, text: str, entity: Entity) -> None:
    assert parse_html(source) == (text, [entity])


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("&lt;b&gt; &amp;amp; &quot;", '<b> &amp; "'),
        ("&lt no semicolon", "< no semicolon"),
        ("&nbsp; &apos; R&D & co", "&nbsp; &apos; R&D & co"),
        ("&#65;&#x42;", "AB"),
        ("&#0; &#1114111;", "&#0; &#1114111;"),
        ("<b></b>x", "x"),
    ],
)
def test_only_four_named_references_are_known(source: str, text: str) -> None:
    assert parse_html(source) == (text, [])


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ApiError, match="unmatched surrogate"):
        parse_html("&#xD83D;")


def test_text_is_trimmed_and_entities_follow() -> None:
    text, entities = formatted("  \n <b>Hi</b> you \t\n", parse_mode="HTML")
    assert text == "Hi you"
    assert entities == (Entity(type="bold", offset=0, length=2),)


def test_carriage_returns_vanish_without_moving_entities_off_their_words() -> None:
    text, entities = formatted("a\r\n<b>b\rc</b>", parse_mode="HTML")
    assert text == "a\nbc"
    assert entities == (Entity(type="bold", offset=2, length=2),)


def test_nothing_is_bold_inside_code() -> None:
    _, entities = formatted("<b>a <code>c</code> d</b>", parse_mode="HTML")
    assert [(entity["type"], entity["offset"], entity["length"]) for entity in entities] == [
        ("bold", 0, 2),
        ("code", 2, 1),
        ("bold", 3, 2),
    ]


def test_commands_links_and_mentions_are_found_by_themselves_but_not_in_code() -> None:
    text, entities = formatted(
        "/start@a_bot see https://e.org/x. or @budi #btc $BTC a@b.co <code>/stop</code>",
        parse_mode="HTML",
    )
    found = {
        entity["type"]: text[entity["offset"] : entity["offset"] + entity["length"]]
        for entity in entities
    }
    assert found == {
        "bot_command": "/start@a_bot",
        "url": "https://e.org/x",
        "mention": "@budi",
        "hashtag": "#btc",
        "cashtag": "$BTC",
        "email": "a@b.co",
        "code": "/stop",
    }


def test_link_to_a_known_user_is_a_mention_and_to_an_unknown_one_is_plain() -> None:
    budi = {"id": 7, "is_bot": False, "first_name": "Budi"}
    _, entities = formatted(
        '<a href="tg://user?id=7">x</a> <a href="tg://user?id=8">y</a>',
        parse_mode="HTML",
        user_json={7: budi}.get,
    )
    assert entities == (Entity(type="text_mention", offset=0, length=1, user=budi),)


@pytest.mark.parametrize("mode", ["MarkdownV2", "markdown"])
def test_markdown_is_refused_loudly(mode: str) -> None:
    with pytest.raises(Unsupported, match="parse_mode"):
        formatted("*x*", parse_mode=mode)


def test_unknown_parse_mode_is_a_bad_request() -> None:
    with pytest.raises(ApiError, match="unsupported parse_mode"):
        formatted("x", parse_mode="rtf")


def test_given_entities_are_kept_and_checked() -> None:
    bold = {"type": "bold", "offset": 0, "length": 2}
    assert formatted("Hi", given=[bold]) == ("Hi", (Entity(type="bold", offset=0, length=2),))
    with pytest.raises(ApiError, match="outside of the text"):
        formatted("Hi", given=[{**bold, "length": 3}])
    with pytest.raises(ApiError, match="unsupported type"):
        formatted("Hi", given=[{**bold, "type": "blink"}])


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("e.org", "http://e.org/"),
        ("https://e.org/a?b#c", "https://e.org/a?b#c"),
        ("tg://resolve?domain=x", "tg://resolve?domain=x"),
        ("http://localhost", None),
        ("javascript://e.org", None),
        ("http://[x", None),
        ("https://e.org/a b", None),
        ("", None),
    ],
)
def test_links_are_kept_as_telegram_keeps_them(url: str, kept: str | None) -> None:
    assert checked_link(url) == kept
