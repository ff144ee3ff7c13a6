"""The texts in other languages than English: gettext catalogues, one folder a language."""
