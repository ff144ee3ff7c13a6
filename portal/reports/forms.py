"""Forms about reports."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    DecimalField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from portal.core.errors import RuleBroken
from portal.reports.labels import KINDS, PERIODS, SUBJECTS
from portal.reports.models import FileKind, Subject
from portal.reports.queries import TO_CHOOSE, Choices
from portal.reports.schedules import Wanted

YEARS = range(2000, 2200)


class MultiCheckboxField(SelectMultipleField):
    """Several of a few, each with its box."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class SubjectFields(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """What a report is about and how it is made, which an order and a schedule have in common."""

    is_long = False  # whether the menu may hold but the first of many
    # The gate judges what is chosen, not the menu, which holds the first of many.
    subject = SelectField(_l("About"), validate_choice=False)
    kinds = MultiCheckboxField(
        _l("Files"), choices=list(KINDS.items()), default=[FileKind.PDF.value, FileKind.EXTENDED_CSV.value]
    )
    vat = DecimalField(
        _l("VAT rate in %"),
        [Optional(), NumberRange(0, 100)],
        places=1,
        description=_l("Empty: the rate of each session, as it is kept with its cost."),
        render_kw={"inputmode": "decimal", "autocomplete": "off"},
    )

    with_bills = BooleanField(
        _l("Swiss QR-bills: one for each driver at the end of the PDF"),
        description=_l("Of your own stations, over what each driver's sessions cost in CHF or EUR."),
    )

    def offer(self, choices: Mapping[Subject, Choices], chosen: tuple[Subject, int, str] | None) -> None:
        """Name what can be chosen, and first of all what was chosen before."""
        menu: dict[str, list[tuple[str, str]]] = {}
        for subject, found in choices.items():
            options = [(f"{subject.value}-{row_id}", name) for row_id, name in found]
            if chosen and chosen[0] == subject and chosen[1] not in dict(found):
                options.insert(0, (f"{subject.value}-{chosen[1]}", chosen[2]))
            menu[str(SUBJECTS[subject])] = options
        self.subject.choices = {label: options for label, options in menu.items() if options}
        self.is_long = any(len(found) >= TO_CHOOSE for found in choices.values())

    def about(self) -> tuple[Subject, int]:
        """What was chosen. RuleBroken for anything that is no subject."""
        found = subject_of(self.subject.data or "")
        if found is None:
            raise RuleBroken("subject", "Choose what the report is about.")
        return found

    @property
    def vat_permille(self) -> int | None:
        return None if self.vat.data is None else int((self.vat.data * 10).quantize(Decimal(1)))


class AddressForm(FlaskForm):  # type: ignore[misc]  # as above
    """A structured address; its rules are those of qr_bill.address."""

    name = StringField(_l("Name or company"), render_kw={"maxlength": 70, "autocomplete": "off"})
    street = StringField(_l("Street"), render_kw={"maxlength": 70, "autocomplete": "off"})
    house_number = StringField(_l("House number"), render_kw={"maxlength": 16, "autocomplete": "off"})
    postcode = StringField(_l("Postcode"), render_kw={"maxlength": 16, "autocomplete": "off"})
    town = StringField(_l("Town"), render_kw={"maxlength": 35, "autocomplete": "off"})
    country = StringField(
        _l("Country"),
        default="CH",
        description=_l("Its two letters, such as CH, LI, DE."),
        render_kw={"maxlength": 2, "autocomplete": "off"},
    )

    def typed(self) -> dict[str, str]:
        return {name: field.data for name, field in self._fields.items() if isinstance(field.data, str)}


class CreditorForm(AddressForm):
    iban = StringField(
        _l("IBAN or QR-IBAN"),
        description=_l("Of a bank in Switzerland or Liechtenstein. A QR-IBAN brings a QR-reference with it."),
        render_kw={"maxlength": 34, "autocomplete": "off", "spellcheck": "false"},
    )
    with_reference = BooleanField(
        _l("With an IBAN: put a reference on each bill (ISO 11649)"),
        default=True,
        description=_l("So that your bank tells you which bill was paid. With a QR-IBAN there always is one."),
    )


class OrderForm(SubjectFields):
    period = RadioField(_l("Period"), choices=list(PERIODS.items()), default="last_month")
    first_day = DateField(_l("First day"), [Optional()])
    last_day = DateField(_l("Last day"), [Optional()], description=_l("Included in the report."))

    def days(self, today: date) -> tuple[date, date]:
        """First and last day of the period. RuleBroken where the days were to be typed and are not, or lie where no
        calendar of ours does."""
        if self.period.data == "this_month":
            return today.replace(day=1), today
        if self.period.data == "last_month":
            last = today.replace(day=1) - timedelta(days=1)
            return last.replace(day=1), last
        return _day("first_day", self.first_day.data), _day("last_day", self.last_day.data)


class ScheduleForm(SubjectFields):
    recipients = TextAreaField(
        _l("Further recipients"),
        [Optional(), Length(max=10_000)],
        description=_l(
            "E-mail addresses. Each gets a report of his own as long as his account may see what it is about; who may"
            " not, gets nothing."
        ),
        render_kw={"rows": 3, "autocomplete": "off", "spellcheck": "false"},
    )

    def wanted(self) -> Wanted:
        """What was typed in. RuleBroken where it is about nothing."""
        recipients, with_bills = self.recipients.data or "", bool(self.with_bills.data)
        return Wanted(self.about(), self.kinds.data or [], self.vat_permille, recipients, with_bills)


def _day(field: str, day: date | None) -> date:
    if day is None:
        raise RuleBroken(field, "This must be filled in.")
    if day.year not in YEARS:
        raise RuleBroken(field, "Choose a day between 2000 and 2199.")
    return day


def subject_of(text: str) -> tuple[Subject, int] | None:
    """The subject that a menu's value or an address names, such as station-12; None for anything else."""
    kind, _, number = text.partition("-")
    known = kind in set(Subject) and number.isascii() and number.isdigit() and len(number) <= 9
    return (Subject(kind), int(number)) if known else None
