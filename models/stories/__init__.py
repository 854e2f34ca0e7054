"""The corpus of the bundled model: short stories in English and Spanish from a hand-written grammar.

  python -m stories [-n 4] [--seed 1] [--lang en|es]      prints stories
  from stories import story; story(random.Random(7), 'es')
"""
from .english import en_story
from .spanish import es_story


def story(rng, lang=None):
    """One story; the language is picked at random unless it is given."""
    lang = lang or rng.choice(['en', 'es'])
    return en_story(rng) if lang == 'en' else es_story(rng)
