"""Templates of stories: [a|b|c] picks one (nests); {x} is a word of the story; {h} is the hero's name, {h.attr} a form of an
entity, {h:o/a} picks by its gender (masculine/feminine), {hf:o/a} by that of hero and friend. Sentences are capitalised
afterwards.
"""
import re


class Entity:
    """A thing with a gender and named forms."""

    def __init__(self, gender, **forms):
        self.gender = gender
        self.forms = forms

    def __getitem__(self, k):
        return self.forms[k]


class Story:
    def __init__(self, rng):
        self.r = rng
        self.e = {}
        self.paragraphs = [[]]

    def pick(self, seq):
        return seq[self.r.randrange(len(seq))]

    def expand(self, t):
        out, i = [], 0
        while i < len(t):
            c = t[i]
            if c == '[':
                depth, j, parts, start = 1, i + 1, [], i + 1
                while depth:
                    if t[j] == '[':
                        depth += 1
                    elif t[j] == ']':
                        depth -= 1
                        if depth == 0:
                            parts.append(t[start:j])
                    elif t[j] == '|' and depth == 1:
                        parts.append(t[start:j])
                        start = j + 1
                    j += 1
                out.append(self.expand(self.pick(parts)))
                i = j
            elif c == '{':
                j = t.index('}', i)
                out.append(self.slot(t[i + 1:j]))
                i = j + 1
            else:
                out.append(c)
                i += 1
        return ''.join(out)

    def slot(self, k):
        if ':' in k:
            name, forms = k.split(':')
            if name == 'hf':  # agrees with hero and friend together
                return forms.split('/')[self.e['h'].gender == self.e['f'].gender == 'f']
            return forms.split('/')[self.e[name].gender == 'f']
        if '.' in k:
            name, attr = k.split('.')
            return self.expand(self.e[name][attr])
        v = self.e[k]
        return self.expand(v if isinstance(v, str) else v['name'])

    def say(self, *templates):
        for t in templates:
            s = capitals(self.expand(t).strip())
            if s:
                self.paragraphs[-1].append(s)

    def maybe(self, p, *templates):
        if self.r.random() < p:
            self.say(*templates)

    def par(self):
        if self.paragraphs[-1]:
            self.paragraphs.append([])

    def text(self):
        return '\n\n'.join(' '.join(p) for p in self.paragraphs if p)


def upper_last(m):
    return m.group(0)[:-1] + m.group(0)[-1].upper()


def capitals(s):
    s = re.sub(r'^[¿¡"«—]*\w', upper_last, s)
    s = re.sub(r'\."? [¿¡"«—]*\w', upper_last, s)  # a full stop always ends the sentence
    return re.sub(r'[!?] [¿¡"«]*\w', upper_last, s)  # not after `!" said` nor `! —dijo`


MADE_UP = 0.2  # the part of names that are invented


def made_up_name(rng, gender):
    """An invented name, so that the model learns to carry over names that it has never seen."""
    n = ''.join(rng.choice('b d f g k l m n p r s t v z br dr gr tr pl ch'.split()) + rng.choice('aeiou') for _ in range(rng.choice([1, 1, 2])))
    return (n + (rng.choice(['la', 'na', 'ra', 'sa', 'ta']) if gender == 'f' else rng.choice(['l', 'n', 'r', 'x', 'do', 'lo', 'ko']))).capitalize()


def a_name(rng, gender, names, used):
    """One of the names that are not used yet, or an invented one."""
    return made_up_name(rng, gender) if rng.random() < MADE_UP else rng.choice([n for n in names if n not in used])
