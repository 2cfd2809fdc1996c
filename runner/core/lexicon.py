"""The words that instructions are made of, Indonesian and English, and how typos are forgiven.

A word stands for one concept in both languages. Words that look like a command word and mean
something else are listed too, so that "chose" is never read as a mistyped "close".
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Concept(Enum):
    """What a word contributes to an instruction."""

    ONLY = auto()
    AVOID = auto()
    EXCEPT = auto()
    CLOSE = auto()
    ALL = auto()
    TAKE = auto()
    PROFIT = auto()
    TAKE_PROFIT = auto()
    PAUSE = auto()
    STOP = auto()
    SIZE = auto()
    SMALLER = auto()
    GROW = auto()
    MORE = auto()
    HALF = auto()
    LOSS = auto()
    DAILY = auto()
    LIMIT = auto()
    RESUME = auto()
    TRADE = auto()
    BUY = auto()
    EACH = auto()
    NOT = auto()
    PLEASE = auto()
    QUESTION = auto()
    CONDITION = auto()
    LATER = auto()
    STOP_LOSS = auto()
    BUTTON = auto()
    ARTICLE = auto()
    MINUTE = auto()
    HOUR = auto()
    DAY = auto()
    WEEK = auto()
    PERCENT = auto()
    FILLER = auto()


_WORDS: Mapping[Concept, str] = {
    Concept.ONLY: "only just solely exclusively focus hanya cuma cuman saja aja doang khusus fokus",
    Concept.AVOID: "avoid avoiding skip exclude hindari jauhi lewati",
    Concept.EXCEPT: "except excluding besides but without kecuali selain tanpa",
    Concept.CLOSE: (
        "close closing sell selling exit liquidate dump tutup tutupkan jual jualkan keluar"
        " likuidasi lepas lepaskan"
    ),
    Concept.ALL: "all everything every entire whole semua semuanya seluruh seluruhnya segala",
    Concept.TAKE: (
        "take taking lock secure cash realize realise ambil amankan kunci cairkan realisasikan"
    ),
    Concept.PROFIT: (
        "profit profits profitable gain gains winning winners untung keuntungan cuan laba"
    ),
    Concept.TAKE_PROFIT: "tp takeprofit",
    Concept.PAUSE: (
        "pause paused pausing wait rest sleep break hold jeda tunda istirahat libur diam tunggu"
        " tahan"
    ),
    Concept.STOP: "stop stopping halt berhenti setop henti hentikan",
    Concept.SIZE: "size sizes sizing amount ukuran nominal porsi jumlah",
    Concept.SMALLER: (
        "smaller small reduce lower decrease shrink less cut tighten tighter tight kecil kecilkan"
        " kecilin perkecil kurangi kurangin turunkan turunin perketat ketatkan rendahkan"
    ),
    Concept.GROW: (
        "increase raise grow double loosen looser unlimited besarkan perbesar naikkan naikin"
        " tambah tambahkan gandakan longgarkan tingkatkan"
    ),
    Concept.MORE: "more bigger larger higher over above lebih melebihi",
    Concept.HALF: "half halve setengah separuh",
    Concept.LOSS: "loss losses lose losing drawdown rugi kerugian",
    Concept.DAILY: "daily harian perhari",
    Concept.LIMIT: "max maximum limit cap maks maksimal maksimum batas batasi limitnya",
    Concept.RESUME: (
        "resume continue restart reset unpause start normal normally lanjut lanjutkan lanjutin"
        " teruskan biasa mulai"
    ),
    Concept.TRADE: "trade trades trading transaksi dagang",
    Concept.BUY: "buy buys buying enter entering entry entries beli membeli masuk",
    Concept.EACH: "per each tiap setiap",
    Concept.NOT: "not dont no never jangan jgn janganlah tidak tak nggak gak ga enggak",
    Concept.PLEASE: "please pls plz tolong mohon minta",
    Concept.QUESTION: (
        "should why what which who how shall apakah apa kenapa mengapa berapa bagaimana gimana"
        " haruskah siapa mana"
    ),
    Concept.CONDITION: (
        "if unless once when whenever after before while kalau kalo klo jika jikalau bila apabila"
        " setelah sesudah sebelum ketika saat kapan"
    ),
    Concept.LATER: (
        "later tomorrow tonight today until till nanti besok malam sampai hingga sampe lusa"
    ),
    Concept.STOP_LOSS: "stoploss sl cutloss",
    Concept.BUTTON: (
        "emergency disable enable activate deactivate darurat nonaktifkan nonaktif aktifkan"
        " matikan nyalakan hidupkan"
    ),
    Concept.ARTICLE: "a an",
    Concept.MINUTE: "minute minutes min mins menit mnt",
    Concept.HOUR: "hour hours hr hrs jam",
    Concept.DAY: "day days hari",
    Concept.WEEK: "week weeks minggu pekan",
    Concept.PERCENT: "percent persen pct",
    Concept.FILLER: (
        "the my your our me you to of on in at for from with and or is are be it its this that"
        " now right away immediately asap position positions market make let lets go use put"
        " change want would like back again agent bot robot coin coins token tokens pair pairs"
        " symbol symbols usd usdc usdt money hey hi hello thanks thank ok okay yes bro sir new open"
        " current currently out up by can could bisa bisakah boleh coba dong saya aku gue kamu ke"
        " di dari untuk buat pada dan atau itu ini yang yg dgn dengan sekarang skrg segera"
        " langsung dulu posisi pasar jadi menjadi atur set ubah ganti mau pengen ingin lagi kembali"
        " koin aset pasangan agen hai halo makasih terima kasih oke ya yah sih deh nih lah"
        " kok bang gan kak pak bu mas mbak om bos baru terbuka sebesar dalam dlm selama seperti"
    ),
}

# One letter away from a command word, and meaning something else.
_LOOKALIKES = (
    "chose chase closet lost held told sold bold call tall fall hall wall tell sole safe also juga"
    " jalan juara semut semoga hanyut kecap passe cause phase parse trace track tread grade price"
    " prize short shirt stock still store story"
)

_NEVER_FORGIVEN = frozenset(_LOOKALIKES.split())

MEANING: Mapping[str, Concept] = {
    word: concept for concept, words in _WORDS.items() for word in words.split()
}

# Whole durations in one word.
ONE_OF: Mapping[str, Concept] = {
    "semenit": Concept.MINUTE,
    "sejam": Concept.HOUR,
    "sehari": Concept.DAY,
    "seminggu": Concept.WEEK,
}
# Only meant as units right after a number: "2h", "30 m".
SHORT_UNITS: Mapping[str, Concept] = {
    "m": Concept.MINUTE,
    "h": Concept.HOUR,
    "j": Concept.HOUR,
    "d": Concept.DAY,
    "w": Concept.WEEK,
}
NUMBER_WORDS: Mapping[str, int] = {
    **dict.fromkeys(("one", "satu"), 1),
    **dict.fromkeys(("two", "dua"), 2),
    **dict.fromkeys(("three", "tiga"), 3),
    **dict.fromkeys(("four", "empat"), 4),
    **dict.fromkeys(("five", "lima"), 5),
    **dict.fromkeys(("six", "enam"), 6),
    **dict.fromkeys(("seven", "tujuh"), 7),
    **dict.fromkeys(("eight", "delapan"), 8),
    **dict.fromkeys(("nine", "sembilan"), 9),
    **dict.fromkeys(("ten", "sepuluh"), 10),
    **dict.fromkeys(("eleven", "sebelas"), 11),
    "twelve": 12,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
}

# How coins are called; one that is not among an agent's symbols is an unknown symbol.
COIN_NAMES: Mapping[str, str] = {
    "bitcoin": "BTC",
    "ethereum": "ETH",
    "ether": "ETH",
    "solana": "SOL",
    "ripple": "XRP",
    "cardano": "ADA",
    "dogecoin": "DOGE",
    "polkadot": "DOT",
    "avalanche": "AVAX",
    "chainlink": "LINK",
    "litecoin": "LTC",
    "binance": "BNB",
    "polygon": "POL",
    "tron": "TRX",
    "shiba": "SHIB",
    "toncoin": "TON",
    "pepe": "PEPE",
}
COIN_CODES = frozenset(COIN_NAMES.values())

# Words shorter than this are typed right or not understood.
_LEAST_LENGTH = 4
_FORGIVE_TWO_FROM = 7


def forgive(word: str) -> str | None:
    """Return the known word that ``word`` was meant to be, None unless there is one reading.

    Up to six letters one mistake is forgiven, from seven letters two; the first letter must be
    right (or swapped with the second), and in words of four letters no letter may be another.
    """
    if len(word) < _LEAST_LENGTH or word in _NEVER_FORGIVEN:
        return None
    allowed = 1 if len(word) < _FORGIVE_TWO_FROM else 2
    best: dict[str, int] = {}
    for known in _FORGIVABLE:
        if abs(len(known) - len(word)) <= allowed and _alike(word, known):
            distance = _edits(word, known)
            if distance <= allowed:
                best[known] = distance
    if not best:
        return None
    least = min(best.values())
    nearest = [known for known, distance in best.items() if distance == least]
    meanings = {MEANING.get(known, known) for known in nearest}
    return nearest[0] if len(meanings) == 1 else None


_FORGIVABLE = tuple(known for known in (*MEANING, *COIN_NAMES) if len(known) >= _LEAST_LENGTH)


def _alike(word: str, known: str) -> bool:
    """Rule out what no typing mistake explains, before any distance is computed."""
    if min(len(word), len(known)) <= _LEAST_LENGTH and len(word) == len(known):
        return sorted(word) == sorted(known)
    return word[0] == known[0] or word[:2] == known[1::-1]


def _edits(one: str, other: str) -> int:
    """Count insertions, deletions, changes and swaps of neighbours that turn one into other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        before, above, row = row, before, [i]
        for j, b in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if above and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return row[-1]
