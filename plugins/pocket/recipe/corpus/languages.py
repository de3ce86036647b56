"""Words in many languages and scripts, and emoji: text that has to split over byte tokens."""

from __future__ import annotations

from random import Random

from .example import Exchange, Family, capitalised, exchange

PHRASES: dict[str, tuple[str, str, str, str, str, str]] = {
    # language: hello, thank you, goodbye, good night, cat, yes
    "French": ("bonjour", "merci", "au revoir", "bonne nuit", "chat", "oui"),
    "Spanish": ("hola", "gracias", "adiós", "buenas noches", "gato", "sí"),
    "German": ("hallo", "danke", "tschüss", "gute Nacht", "Katze", "ja"),
    "Italian": ("ciao", "grazie", "arrivederci", "buona notte", "gatto", "sì"),
    "Portuguese": ("olá", "obrigado", "adeus", "boa noite", "gato", "sim"),
    "Swedish": ("hej", "tack", "hej då", "god natt", "katt", "ja"),
    "Polish": ("cześć", "dziękuję", "do widzenia", "dobranoc", "kot", "tak"),
    "Turkish": ("merhaba", "teşekkürler", "hoşça kal", "iyi geceler", "kedi", "evet"),
    "Russian": ("привет", "спасибо", "пока", "спокойной ночи", "кошка", "да"),
    "Greek": ("γεια σου", "ευχαριστώ", "αντίο", "καληνύχτα", "γάτα", "ναι"),
    "Chinese": ("你好", "谢谢", "再见", "晚安", "猫", "是"),
    "Japanese": ("こんにちは", "ありがとう", "さようなら", "おやすみ", "猫", "はい"),
    "Korean": ("안녕하세요", "감사합니다", "안녕히 가세요", "안녕히 주무세요", "고양이", "네"),
    "Arabic": ("مرحبا", "شكرا", "وداعا", "تصبح على خير", "قطة", "نعم"),
    "Hindi": ("नमस्ते", "धन्यवाद", "अलविदा", "शुभ रात्रि", "बिल्ली", "हाँ"),
}
_ENGLISH = ("hello", "thank you", "goodbye", "good night", "cat", "yes")
_ASKS = (
    "How do you say {w} in {l}?", "What is {w} in {l}?", "Say {w} in {l}.", "Translate {w} to {l}.",
    "What is the {l} word for {w}?", "How do I say {w} in {l}?", "{W} in {l}, please.",
)  # fmt: skip
_MEANING_ASKS = ("What does {f} mean?", "What is {f} in English?", "Translate {f} to English.")

GREETINGS: tuple[tuple[str, str], ...] = (
    ("Bonjour !", "Bonjour ! Comment ça va ?"),
    ("Salut !", "Salut ! Comment ça va ?"),
    ("Comment ça va ?", "Ça va très bien, merci !"),
    ("Comment tu t'appelles ?", "Je m'appelle Pocket."),
    ("Merci !", "De rien !"),
    ("Au revoir !", "Au revoir ! À bientôt !"),
    ("¡Hola!", "¡Hola! ¿Cómo estás?"),
    ("Hola", "¡Hola! ¿Cómo estás?"),
    ("¿Cómo estás?", "¡Muy bien, gracias!"),
    ("¿Cómo te llamas?", "Me llamo Pocket."),
    ("Gracias", "¡De nada!"),
    ("Adiós", "¡Adiós! ¡Hasta mañana!"),
    ("Hallo!", "Hallo! Schön, dass du da bist."),
    ("Guten Tag!", "Guten Tag! Wie geht es dir?"),
    ("Wie geht es dir?", "Mir geht es sehr gut, danke!"),
    ("Wie heißt du?", "Ich heiße Pocket."),
    ("Danke!", "Bitte schön!"),
    ("Tschüss!", "Tschüss! Bis bald!"),
    ("Ciao!", "Ciao! Come stai?"),
    ("Grazie!", "Prego!"),
    ("Olá!", "Olá! Tudo bem?"),
    ("Hej!", "Hej! Hur mår du?"),
    ("Cześć!", "Cześć! Jak się masz?"),
    ("Merhaba!", "Merhaba! Nasılsın?"),
    ("Привет!", "Привет! Как дела?"),
    ("Γεια σου!", "Γεια σου! Τι κάνεις;"),
    ("你好", "你好！我是 Pocket。😊"),
    ("你好！", "你好！我是 Pocket。😊"),
    ("你好吗？", "我很好，谢谢！"),
    ("你叫什么名字？", "我叫 Pocket。"),
    ("谢谢", "不客气！"),
    ("再见", "再见！祝你愉快！"),
    ("早上好", "早上好！🌞"),
    ("晚安", "晚安！🌙"),
    ("こんにちは", "こんにちは！お元気ですか？"),
    ("안녕하세요", "안녕하세요! 반갑습니다."),
    ("مرحبا", "مرحبا! كيف حالك؟"),
    ("नमस्ते", "नमस्ते! आप कैसे हैं?"),
    ("👋", "👋😊"),
    ("😊", "😊"),
    ("❤️", "❤️❤️❤️"),
)
EMOJI: tuple[tuple[str, str], ...] = (
    ("a cat", "🐱"), ("a dog", "🐶"), ("a fox", "🦊"), ("a bear", "🐻"), ("a frog", "🐸"),
    ("a pig", "🐷"), ("a cow", "🐮"), ("a fish", "🐟"), ("a bird", "🐦"), ("a bee", "🐝"),
    ("a whale", "🐳"), ("an owl", "🦉"), ("a lion", "🦁"), ("a horse", "🐴"), ("a mouse", "🐭"),
    ("a tree", "🌳"), ("a flower", "🌸"), ("a rose", "🌹"), ("an apple", "🍎"), ("a banana", "🍌"),
    ("a lemon", "🍋"), ("a cake", "🎂"), ("bread", "🍞"), ("cheese", "🧀"), ("a house", "🏠"),
    ("a car", "🚗"), ("a boat", "⛵"), ("a train", "🚂"), ("a rocket", "🚀"), ("a star", "⭐"),
    ("the moon", "🌙"), ("the sun", "🌞"), ("a rainbow", "🌈"), ("fire", "🔥"), ("snow", "❄️"),
    ("a heart", "❤️"), ("a ball", "⚽"), ("a book", "📖"), ("a hat", "🎩"), ("a gift", "🎁"),
    ("a smile", "😊"), ("a family", "👨‍👩‍👧"), ("a ghost", "👻"), ("a robot", "🤖"),
)  # fmt: skip
_EMOJI_ASKS = (
    "Show me {x} as an emoji.", "Give me an emoji of {x}.", "What is the emoji for {x}?",
    "Send me an emoji of {x}.", "Draw {x}.", "Emoji for {x}, please.",
)  # fmt: skip
_NAMING_ASKS = ("What is {e}?", "What does {e} show?", "Which thing is this: {e}", "{e}?")


def words(rng: Random) -> Exchange:
    """Ask for a word in another language."""
    language, phrases = rng.choice(list(PHRASES.items()))
    index = rng.randrange(len(_ENGLISH))
    word, phrase = _ENGLISH[index], phrases[index]
    ask = rng.choice(_ASKS).format(w=word, W=capitalised(word), l=language)
    answer = f"{capitalised(word)} in {language} is {phrase}."
    return exchange("languages", ask, answer, capitalised(phrase) + ".")


def meaning(rng: Random) -> Exchange:
    """Ask what a foreign word means; words that several languages share are left out."""
    language, phrases = rng.choice(list(PHRASES.items()))
    index = rng.randrange(len(_ENGLISH))
    phrase = phrases[index]
    if sum(phrase in other for other in PHRASES.values()) > 1:
        return meaning(rng)
    word = _ENGLISH[index]
    ask = rng.choice(_MEANING_ASKS).format(f=phrase)
    answer = f"{capitalised(phrase)} is {language} and means {word}."
    return exchange("languages", ask, answer, capitalised(word) + ".")


def greeting(rng: Random) -> Exchange:
    """Greet in some language; the reply is in the same one."""
    ask, answer = rng.choice(GREETINGS)
    return Exchange("foreign-greetings", ask, answer, answer, "talk")


def emoji(rng: Random) -> Exchange:
    """Ask for an emoji, or what one shows."""
    thing, sign = rng.choice(EMOJI)
    if rng.random() < 0.6:
        return exchange("emoji", rng.choice(_EMOJI_ASKS).format(x=thing), sign)
    ask = rng.choice(_NAMING_ASKS).format(e=sign)
    verb = "means" if thing in ("bread", "cheese", "fire", "snow") else "is"
    answer = f"{sign} {verb} {thing}."
    found = exchange("emoji", ask, answer, capitalised(thing) + ".")
    return Exchange("emoji", found.ask, found.answer, found.short, f"emoji:{ask}")


def families() -> dict[str, tuple[Family, ...]]:
    """Return the generators of each family, by the family's name."""
    return {
        "languages": (words, words, meaning),
        "foreign-greetings": (greeting,),
        "emoji": (emoji,),
    }
