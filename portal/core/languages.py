"""The languages of the portal: their codes, and what each is called by those who read it."""

LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "it": "Italiano"}
DEFAULT = "en"
