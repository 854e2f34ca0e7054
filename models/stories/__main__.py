import argparse
import random

from . import story

ap = argparse.ArgumentParser(prog='python -m stories', description='Prints stories.')
ap.add_argument('-n', type=int, default=4)
ap.add_argument('--seed', type=int, default=1)
ap.add_argument('--lang', choices=['en', 'es'])
a = ap.parse_args()
r = random.Random(a.seed)
for _ in range(a.n):
    print(story(r, a.lang) + '\n\n' + '-' * 20)
