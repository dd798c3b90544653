"""The words that people read, one table for the page, the picture, the report and the alert, a column a language.

What a bundle says of its organ and causes is the bundle's; here are the words of the product.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from daemon.core.values import State, Verdict


class Language(StrEnum):
    """Languages of the page, of alerts and of reports, by ISO 639-1."""

    ENGLISH = "en"
    GERMAN = "de"


#: key -> English, German. ``{}`` in a text stands for what is put in.
_TABLE: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ACCEPT": ("ACCEPT", "GUT"),
        "REVIEW": ("REVIEW", "ANSEHEN"),
        "RESCAN": ("RESCAN", "WIEDERHOLEN"),
        "NOT_ASSESSED": ("NOT ASSESSED", "NICHT BEURTEILT"),
        "RECEIVING": ("Receiving", "Empfang"),
        "WAITING": ("Waiting", "Wartet"),
        "ASSESSING": ("Assessing", "Beurteilung"),
        "DELIVERING": ("Delivering", "Versand"),
        "DONE": ("No verdict", "Kein Urteil"),
        "repeated": ("Repeated", "Wiederholt"),
        "accepted": ("Accepted as is", "So belassen"),
        "not_possible": ("Not possible", "Nicht möglich"),
        "wrong": ("Wrong call", "Fehlalarm"),
        "answer": ("Your answer", "Ihre Antwort"),
        "answered": ("Answered: {} ({}, {})", "Beantwortet: {} ({}, {})"),
        "change": ("Change", "Ändern"),
        "reason": ("Reason (optional)", "Grund (freiwillig)"),
        "repeat_worked": ("Repeat worked: {}", "Wiederholung gelungen: {}"),
        "repeat_failed": ("Repeat did not help: {}", "Wiederholung half nicht: {}"),
        "repeat_seen": ("Repeated: {}", "Wiederholt: {}"),
        "images": ("{} images", "{} Bilder"),
        "image": ("1 image", "1 Bild"),
        "images_of": ("{} of {} images", "{} von {} Bildern"),
        "answered_in": ("answered in {} s", "Urteil nach {} s"),
        "last_image": ("last image ", "letztes Bild "),
        "seconds_ago": ("{} s ago", "vor {} s"),
        "minutes_ago": ("{} min ago", "vor {} min"),
        "at": ("at {}", "um {}"),
        "superseded": ("Superseded", "Überholt"),
        "superseded_by": ("Superseded: {}", "Überholt: {}"),
        "revision": ("Revision {}", "Fassung {}"),
        "partial": ("Partial: images are missing", "Unvollständig: Bilder fehlen"),
        "cleared": ("Picture no longer kept", "Bild nicht mehr vorhanden"),
        "series_number": ("Series {}", "Serie {}"),
        "since": ("since {}", "seit {}"),
        "series_count": ("{} series", "{} Serien"),
        "over": ("Exam over", "Untersuchung beendet"),
        "exam_empty": ("No series yet", "Noch keine Serie"),
        "more": ("{} more series", "{} weitere Serien"),
        "not_judged": ("{} not judged: {}", "{} nicht beurteilt: {}"),
        "missing_series": ("Usual of such an exam, not here: {}", "Bei solchen Untersuchungen üblich, nicht da: {}"),
        "extra_series": ("Not usual of such an exam: {}", "Bei solchen Untersuchungen nicht üblich: {}"),
        "earlier": ("Earlier exams", "Frühere Untersuchungen"),
        "unanswered": ("{} RESCAN without an answer", "{} WIEDERHOLEN ohne Antwort"),
        "wall": ("All scanners", "Alle Geräte"),
        "none_yet": ("No series yet", "Noch keine Serie"),
        "none_yet_more": (
            "The next series from the scanner appears here by itself.",
            "Die nächste Serie vom Gerät erscheint hier von selbst.",
        ),
        "connecting": ("Connecting", "Verbindung wird hergestellt"),
        "live": ("Live", "Live"),
        "not_live": ("Not live", "Nicht live"),
        "lost_since": (
            "Connection lost since {}. What you see is not live.",
            "Verbindung verloren seit {}. Was Sie sehen, ist nicht aktuell.",
        ),
        "no_connection": ("No connection to Scanside.", "Keine Verbindung zu Scanside."),
        "lost_title": ("Connection lost", "Verbindung verloren"),
        "not_judging": ("Series are not judged now: {}", "Serien werden jetzt nicht beurteilt: {}"),
        "shadow": (
            "Shadow mode: series are judged and kept, nothing is shown or sent.",
            "Schattenbetrieb: Serien werden beurteilt und gespeichert, nichts wird gezeigt oder gesendet.",
        ),
        "announce": ("Rescan on {}: {}. {}", "Wiederholen an {}: {}. {}"),
        "enlarge": ("Enlarge the picture: {}, {}", "Bild vergrößern: {}, {}"),
        "summary_picture": ("Summary picture", "Übersichtsbild"),
        "close": ("Close", "Schließen"),
        "sound_on": ("Sound on", "Ton an"),
        "sound_off": ("Sound off", "Ton aus"),
        "sound_blocked": ("Sound blocked: press here", "Ton gesperrt: hier drücken"),
        "keys_on": ("Keys on", "Tasten an"),
        "keys_off": ("Keys off", "Tasten aus"),
        "keys_help": (
            "Keys: A next rescan, J and K move, 1 to 4 answer, R reason, S sound",
            "Tasten: A nächste Wiederholung, J und K bewegen, 1 bis 4 antworten, R Grund, S Ton",
        ),
        "advice": ("Scanside advises; you decide.", "Scanside rät; Sie entscheiden."),
        "not_kept": (
            "The answer was not kept: {}. Try again.",
            "Die Antwort wurde nicht gespeichert: {}. Bitte erneut.",
        ),
        "alert_title": ("RESCAN on {scanner}: {cause}", "WIEDERHOLEN an {scanner}: {cause}"),
        "alert_body": ("{action}\n{link}", "{action}\n{link}"),
        "escalated_title": (
            "RESCAN on {scanner} without an answer for {minutes} min: {cause}",
            "WIEDERHOLEN an {scanner} seit {minutes} min ohne Antwort: {cause}",
        ),
        "escalated_body": ("{action}\n{link}", "{action}\n{link}"),
        "withdrawn_title": (
            "RESCAN on {scanner} withdrawn: now {state}",
            "WIEDERHOLEN an {scanner} zurückgenommen: jetzt {state}",
        ),
        "withdrawn_body": (
            "A later image changed the verdict of the series.\n{action}\n{link}",
            "Ein späteres Bild hat das Urteil über die Serie geändert.\n{action}\n{link}",
        ),
        "summary_title": (
            "RESCAN of {count} more series: {scanners}",
            "WIEDERHOLEN von {count} weiteren Serien: {scanners}",
        ),
        "summary_body": (
            "There were {per_hour} alerts within an hour. Others are told together.\n{link}",
            "Es gab {per_hour} Meldungen in einer Stunde. Weitere werden gemeinsam gemeldet.\n{link}",
        ),
        "service_title": ("Call service for {scanner}", "Service rufen für {scanner}"),
        "service_body": (
            "Image quality has changed for weeks, since about {since}: {changes}.\n{link}",
            "Die Bildqualität hat sich seit Wochen verändert, etwa seit {since}: {changes}.\n{link}",
        ),
        "service_calls": ("Calls for service", "Service-Rufe"),
        "call_service": ("Call service: {}, since about {}", "Service rufen: {}, seit etwa {}"),
        "has_changed": ("Had changed: {}, since about {}", "War verändert: {}, seit etwa {}"),
        "found": ("found {}", "gefunden {}"),
        "seen_to": ("Seen to: compare anew from now on", "Erledigt: ab jetzt neu vergleichen"),
        "seen_to_by": ("seen to by {}, {}", "erledigt von {}, {}"),
        "control_chart": ("Control chart", "Regelkarte"),
        "measure": ("Measure", "Messwert"),
        "protocol": ("Protocol", "Protokoll"),
        "week": ("Week of", "Woche vom"),
        "series_word": ("Series", "Serien"),
        "median": ("Median", "Median"),
        "usual": ("Usual", "Üblich"),
        "software": ("Scanner's software", "Gerätesoftware"),
        "bundle": ("Bundle", "Modell"),
        "too_few": ("too few before", "zu wenige davor"),
        "chart_of": ("{} by week, {}", "{} nach Wochen, {}"),
        "chart_table": ("The table below has the same values.", "Die Tabelle darunter hat dieselben Werte."),
        "chart_legend": (
            "Line: median of each week. Dotted: where it lies while nothing changes. A new software: a new line.",
            "Linie: Median jeder Woche. Gepunktet: wo er liegt, solange sich nichts ändert. Neue Software: neue Linie.",
        ),
        "changed": ("changed", "verändert"),
        "timeline": ("Why this state?", "Warum dieser Stand?"),
        "when": ("When", "Wann"),
        "what": ("What", "Was"),
        "passed": ("After", "Nach"),
        "first_image": ("First image", "Erstes Bild"),
        "last_image_came": ("Last image: {}", "Letztes Bild: {}"),
        "closed": ("Complete, told by: {}", "Vollständig, erkannt durch: {}"),
        "begun": ("Judging began", "Beurteilung begann"),
        "judged": ("Judged: {}", "Beurteilt: {}"),
        "delivered": ("Delivered: {}", "Geliefert: {}"),
        "parked": ("Given up until a person acts: {}", "Aufgegeben, bis jemand handelt: {}"),
        "owed": ("Still to be delivered: {}", "Noch zu liefern: {}"),
        "alerted": ("Alert: {}", "Meldung: {}"),
        "answered_with": ("Answer: {}", "Antwort: {}"),
        "taken_back": ("taken back", "zurückgenommen"),
        "files_cleared": ("Files have left the disk", "Dateien nicht mehr auf der Platte"),
        "mpps": ("the scanner's procedure step", "Prozedurschritt des Geräts"),
        "geometry": ("its geometry", "seine Geometrie"),
        "release": ("the end of the connection", "Ende der Verbindung"),
        "quiet": ("silence", "Stille"),
        "person": ("a person", "einen Menschen"),
        "joined": ("another series that joins it", "eine weitere Serie, die dazugehört"),
        "numbers": ("Numbers beside their reference", "Messwerte und Vergleich"),
        "value": ("Value", "Wert"),
        "limit": ("Limit", "Grenze"),
        "p_value": ("p-value", "p-Wert"),
        "abnormal": ("abnormal", "auffällig"),
        "normal": ("usual", "unauffällig"),
        "no_number": ("no number", "keine Zahl"),
        "judgement": ("Judgement", "Bewertung"),
        "compared_with": ("Compared with: {}", "Verglichen mit: {}"),
        "no_numbers": ("Nothing was measured.", "Es wurde nichts gemessen."),
        "pictures": ("Pictures", "Bilder"),
        "show_slices": ("Scroll through the slices", "Durch die Schichten blättern"),
        "slice_of": ("Slice {} of {}", "Schicht {} von {}"),
        "slice": ("Slice", "Schicht"),
        "drawn": ("O Lines over the slices", "O Linien über den Schichten"),
        "lines": (
            "Solid: what was segmented. Dotted: where doubt is greatest.",
            "Durchgezogen: was segmentiert wurde. Gepunktet: wo der Zweifel am größten ist.",
        ),
        "no_slices": (
            "The slices cannot be shown: their images are gone, or are no volume.",
            "Keine Schichten: die Bilder sind nicht mehr da oder kein Volumen.",
        ),
        "deeds": ("What you can do", "Was Sie tun können"),
        "complete": ("No more images: judge it now", "Keine Bilder mehr: jetzt beurteilen"),
        "again": ("Judge once more", "Noch einmal beurteilen"),
        "resend": ("Deliver once more", "Noch einmal liefern"),
        "case": ("Case for support (ZIP)", "Fall für den Support (ZIP)"),
        "case_slices": (
            "The same with slices (a face can be recognised)",
            "Ebenso mit Schichten (Gesicht erkennbar)",
        ),
        "done_complete": ("It is judged now.", "Wird jetzt beurteilt."),
        "done_again": ("It is judged once more.", "Wird noch einmal beurteilt."),
        "done_resend": ("It is delivered once more.", "Wird noch einmal geliefert."),
        "not_done": ("That was not done: {}", "Nicht geschehen: {}"),
        "series_details": ("Series, step by step", "Serie, Schritt für Schritt"),
        "last_days": ("Last 30 days", "Letzte 30 Tage"),
        "causes": ("Causes", "Ursachen"),
        "to_live": ("Live page", "Live-Seite"),
        "quality": ("Quality over the weeks", "Qualität über die Wochen"),
        "details": ("Details", "Einzelheiten"),
        "unknown_scanner": ("No such scanner or exam.", "Gerät oder Untersuchung unbekannt."),
        "log_in": ("Log in", "Anmelden"),
        "log_out": ("Log out {}", "{} abmelden"),
        "user": ("User", "Benutzer"),
        "password": ("Password", "Passwort"),
        "log_in_failed": ("Not logged in: {}", "Nicht angemeldet: {}"),
    }
)


def words_of(language: Language) -> Mapping[str, str]:
    """Every text in one language, by its key."""
    column = list(Language).index(language)
    return {key: texts[column] for key, texts in _TABLE.items()}


def state_word(state: State, language: Language = Language.ENGLISH) -> str:
    """What people call a verdict."""
    return words_of(language)[state.value]


def verdict_words(verdict: Verdict, language: Language = Language.ENGLISH) -> str:
    """What people call a verdict, with its cause: "RESCAN (Motion)"; ``verdict`` is said in that language."""
    cause = f" ({verdict.cause_word})" if verdict.cause_word else ""
    return f"{state_word(verdict.state, language)}{cause}"
