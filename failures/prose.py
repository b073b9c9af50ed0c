"""Tell what a tool prints from what somebody tells a reader to do.

Diagnostics state: something is missing, unexpected, undefined. Orders address: do, run, never,
from now on. The marks are English words of advice and command, words that only other languages
have (tools speak English to agents), letters of other scripts, and length. They err towards
review: a flagged line is still found and counted, it is only not repeated unread.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 32
"""A diagnostic of more words is a tale."""

# Verbs that make somebody act on the world. Linters advise with others: use, add, rename, remove.
_ACTS = (
    "run|rerun|re-run|execute|exec|install|download|fetch|clone|open|visit|click|browse|navigate"
    "|send|post|upload|export|email|mail|publish|share|leak|exfiltrate|forward|print out|echo"
    "|reveal|show me|dump|paste|copy|push|force-push|commit|amend|merge|approve|deploy|release"
    "|grant|drop|wipe|erase|reset|revert|rollback|disable|skip|bypass|override|suppress|turn off"
    "|ignore|disregard|forget|pretend|act as|behave|obey|follow|trust|whitelist|allowlist|give"
    "|tell|reply|respond|answer|output|always|never|do not|don't|set up|go to|switch to|pass"
    "|append|prepend|insert|write|edit|modify|delete|create|stop|kill|close|mark|treat|assume"
    "|consider|notify|contact|call|invoke|trigger|apply|enable|accept|confirm|authori[sz]e"
    "|escalate|elevate|login|log in|connect|change|replace|store|save|load|import|require"
)
_DONE = (
    "run|executed|installed|downloaded|fetched|cloned|opened|visited|sent|posted|uploaded|exported"
    "|published|shared|pasted|copied|pushed|committed|amended|merged|approved|deployed|granted"
    "|dropped|wiped|erased|reset|reverted|disabled|skipped|bypassed|overridden|turned off|ignored"
    r"|trusted|deleted|removed|printed|logged(?! in\b)|exposed|revealed|omitted|waived|lowered"
    "|relaxed|accepted|confirmed|authori[sz]ed|obeyed|followed|forwarded"
)
_ORDERS = re.compile(
    # At the beginning of a sentence, or after a word that leads over to one.
    rf"(?:^|[.!?:;,>*#\-\u2013\u2014]\s{{1,4}}|\b(?:then|and|just|simply|first|next|now|always"
    rf"|never|instead|please|(?<!failed )(?<!unable )(?<!able )to|must|should|can|may|let'?s|kindly"
    rf"|immediately)\s{{1,4}})(?!call to (?:un|non|private|protected|member))(?:{_ACTS})\s{{1,4}}"
    r"(?:the|all|this|that|these|those|it|your|our|my|any|every|every|each|a|an"
    r"|with|without|to|from|as|into|in|on|out|up|new|previous|prior|above|below|following)\b",
    re.IGNORECASE,
)
# Somebody has to do something, without saying to what.
_DUTIES = re.compile(
    r"\b(?:must|shall|should|ought to|(?:has|have|needs?) to|may|can)\s{1,4}"
    rf"(?:always |first |now )?(?:be )?(?:{_DONE})\b",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"\b(?:always(?! (?:true|false|be|been|evaluates?|returns?)\b)|from now on|make sure|be sure"
    r"|ensure that|note to|attention|dear|hello|hi,|urgent"
    r"|remember to|in order to (?:fix|solve|resolve|proceed|continue)"
    r"|to (?:fix|solve|resolve|work around|get past|bypass|avoid) (?:this|it|the)"
    r"|(?:best|recommended|correct|proper|known|approved|official|verified|accepted|only|easy|quick"
    r"|right|real|working) (?:fix|solution|workaround|remedy|way|resolution|practice|procedure)"
    r"|(?<!<name> )(?:fix|fixed|solution|solved|workaround|resolution|resolved|remedy|answer|advice"
    r"|tip|todo|action|task|step \d|steps|instructions?|guidance|learning|lesson|rule|policy|admin"
    r"|administrator|developer|operator|ceo|lead|team)\s{0,3}[:=]"
    r"|(?:was|is|were|been|got|gets) (?:fixed|solved|resolved) (?:by|with|after|when|if|using)"
    r"|(?:works?|passes|succeeds?) (?:if|when|after|once|with|only) (?:you|we|one|the)"
    r"|(?:we|my|our|us|yours|yourself)\b(?! ?/))",
    re.IGNORECASE,
)
# Words that other languages can't do without, and that neither English nor programs use. Two of
# them in one line are no accident; of the second list, one is enough.
_LANGUAGES = {
    "German, Dutch": """
        und oder nicht eine einen einem einer bitte alle allen vom zum zur fuer ist sind sie ihr
        ihre wird werden muss musst muessen sollst sollen kein keine immer jetzt dann diese dieser
        dieses nach ueber wenn dass auch aber nur noch het een niet voor zijn moet moeten deze dit
        naar ook altijd geen worden wordt om aan bij vraag gebruiker
    """,
    "Spanish, Portuguese, Catalan": """
        los las del una unas todas todos todo esta este estos estas pero siempre nunca ahora debe
        debes deben usted ustedes hacer haz sin sobre entonces luego porque cuando como que nao
        voce sempre agora deve devem uma umas dos das pelo pela seu sua isso esse essa tambem el
        por
    """,
    "French, Italian, Romanian": """
        les une vous votre vos nous pour avec sans toutes tous est sont cette ces dans sur mais
        toujours jamais puis doit devez etre faire gli della delle dello degli sono questo questa
        tutti tutte sempre mai ora poi deve dovete essere fare che non trebuie toate pentru este
        le la il di lo nel senza des aux que qui ne pas
    """,
    "Polish, Czech, Russian and others in Latin letters": """
        nie wszystkie zawsze teraz musisz prosze przez jako ktore oraz vse vsechny nyni
        musite prosim ktere nebo pozhaluysta vse vsegda teper ili
    """,
    "Swedish, Danish, Norwegian, Finnish": """
        och inte alla alltid nu maste detta dessa ikke alle altid skal denne disse eller kaikki
        aina
    """,
    "Turkish, Indonesian, Malay, Vietnamese, Tagalog, Swahili": """
        ve tum butun icin degil her zaman lutfen bu ile olarak yang dan untuk tidak semua harus
        selalu dengan ini itu jangan dari tat ca khong phai cua ang mga lahat huwag kwa yote sasa
    """,
    "Japanese, Chinese and Korean in Latin letters": """
        kudasai subete suru shite nai qing suoyou bixu buyao modeun haseyo
    """,
}
_FOREIGN = frozenset(word for words in _LANGUAGES.values() for word in words.split())
_FOREIGN_ORDER = re.compile(
    r"\b(?:ignorier\w{0,4}|missachte\w{0,2}|vergiss|fuehre|f\u00fchre|loesche|l\u00f6sche"
    r"|deaktivier\w{0,4}|installier\w{0,4}|anweisung\w{0,3}|negeer|voer|schakel|verwijder"
    r"|instructies|ignora|ignore[zs]|ignoren|ignorar|olvida|ejecut[ae]\w{0,2}|instala\w{0,2}"
    r"|desactiv\w{0,4}|borra|instruc(?:c|\u00e7|ç)?(?:iones|oes|\u00f5es)|oubli(?:e|ez)"
    r"|execut(?:ez|ar|a|em)|ex\u00e9cute\w{0,2}|installez|desactivez|supprime[zr]|esegui\w{0,2}"
    r"|istruzioni|disabilita|dimentica|cancella|desative|zignoruj|uruchom|polecenia|instrukcj\w{0,2}"
    r"|usun|ignorera|instruktioner\w{0,2}|kor|abaikan|jalankan|hapus|perintah|talimat\w{0,6}"
    r"|calistir\w{0,4}|gormezden|yoksay\w{0,3}|ignoruj\w{0,2}|spust\w{0,2}|zapust\w{0,2}"
    r"|ignoriruy\w{0,4}|instrukts\w{0,4})\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z\u00c0-\u024f']{2,}")


def looks_written(line: str) -> list[str]:
    """Which marks of a text that tells its reader something `line` has: orders, advice, tale."""
    found = []
    if _ORDERS.search(line) or _DUTIES.search(line):
        found.append("orders")
    if _ADVICE.search(line):
        found.append("advice")
    if len(_WORD.findall(line)) > LONGEST:
        found.append("tale")
    return found


def is_foreign(line: str) -> bool:
    """Whether `line` has letters or words that English tools don't print."""
    if any(ord(char) > 0x7F and unicodedata.category(char)[0] == "L" for char in line):
        return True
    words = {word.lower() for word in _WORD.findall(line)}
    return len(_FOREIGN & words) >= 2 or _FOREIGN_ORDER.search(line) is not None
