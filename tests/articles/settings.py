"""The settings of a running project that has articles and uploads."""

from tests.settings import *

ROOT_URLCONF = "tests.articles.urls"
