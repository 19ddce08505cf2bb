"""Phrases: the small words of eight languages that tell where a reader would break a line, and where not."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Phrases(Struct, frozen=True):
    """A line breaks well before a conjunction or a preposition, and badly after either or after a binder."""

    conjunctions: frozenset[str] = frozenset()
    prepositions: frozenset[str] = frozenset()
    binders: frozenset[str] = frozenset()
    """Articles, possessives, auxiliaries, negations and titles."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES: Final = _words(
    "mr mrs ms dr prof st mt no nr herr frau mme mlle sr sra señor señora signor dhr mevr"
)
ABBREVIATIONS: Final = TITLES | _words("e.g i.e etc vs cf z.b d.h u.a bzw ca p.ex par.ex p.ej т.е т.д")

_PHRASES: Final[Mapping[str, Phrases]] = {
    "en": Phrases(
        _words("and but or nor so yet because that which who whom whose when where while if although though unless until since whether than as"),
        _words("of in on at by for from with to into onto over under about after before between through during without within against among across behind beyond near toward towards upon"),
        _words("a an the this that these those my your his her its our their some any every each no not is are was were be been am has have had do does did will would can could shall should may might must i you he she it we they"),
    ),
    "de": Phrases(
        _words("und aber oder denn sondern weil dass daß ob wenn als während obwohl damit bevor nachdem bis sodass falls wie"),
        _words("in im ins an am ans auf aus bei beim mit nach von vom zu zum zur für durch gegen ohne um über unter vor vorm hinter neben zwischen seit trotz wegen"),
        _words("der die das den dem des ein eine einen einem einer eines kein keine keinen mein meine dein deine sein seine ihr ihre unser unsere euer nicht ist sind war waren hat haben hatte wird werden wurde kann will muss soll ich du er sie es wir"),
    ),
    "fr": Phrases(
        _words("et mais ou donc or ni car que qui quand lorsque puisque parce si comme dont où"),
        _words("de du des d à au aux en dans sur sous par pour avec sans chez vers entre depuis pendant contre avant après"),
        _words("le la les l un une ce cet cette ces mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ne pas est sont était a ai as ont avait sera je tu il elle on nous vous ils elles"),
    ),
    "es": Phrases(
        _words("y e o u pero sino porque que cuando si aunque como donde mientras pues"),
        _words("de del a al en con por para sin sobre bajo entre desde hasta hacia contra según tras durante"),
        _words("el la los las lo un una unos unas mi mis tu tus su sus nuestro nuestra este esta estos estas ese esa no es son era está están ha han había se me te le nos les"),
    ),
    "it": Phrases(
        _words("e ed o ma però perché che quando se anche come dove mentre quindi"),
        _words("di del dello della dei degli delle d a al allo alla ai agli alle da dal dalla dai in nel nella nei con su sul sulla per tra fra senza"),
        _words("il lo la i gli le l un uno una mio mia tuo tua suo sua nostro nostra questo questa quel quella non è sono era ha hanno ho aveva si mi ti ci vi"),
    ),
    "pt": Phrases(
        _words("e ou mas porque que quando se embora como onde enquanto pois"),
        _words("de do da dos das a ao à aos às em no na nos nas com por pelo pela para sem sobre sob entre desde até contra"),
        _words("o os as um uma uns umas meu minha teu tua seu sua nosso nossa este esta esse essa não é são era está estão foi tem têm há eu ele ela nós"),
    ),
    "nl": Phrases(
        _words("en maar of want dus omdat dat die als toen terwijl hoewel zodat voordat nadat totdat wie wat waar"),
        _words("in op aan bij met naar van voor door tegen zonder om over onder achter naast tussen sinds uit te tot"),
        _words("de het een deze dit mijn jouw je zijn haar ons onze hun geen niet is was waren heeft heb hebben had wordt worden kan wil moet zal ik jij hij zij wij ze we"),
    ),
    "ru": Phrases(
        _words("и а но или да что чтобы который которая которые когда если потому как где хотя пока"),
        _words("в во на с со к ко по за из от до для без у о об под над при про через между перед"),
        _words("не ни мой моя моё мои твой твоя его её их наш наша ваш этот эта это эти тот та был была было были я ты он она мы вы они"),
    ),
}  # fmt: skip
_NONE: Final = Phrases()


def phrases_of(language: str) -> Phrases:
    """Of a BCP 47 tag by its first part; none for a language that is not known here."""
    return _PHRASES.get(language.lower().replace("_", "-").partition("-")[0], _NONE)
