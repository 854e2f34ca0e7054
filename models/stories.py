#!/usr/bin/env python3
"""The corpus of the bundled model: short stories in English and Spanish from a hand-written grammar.

  python stories.py [-n 4] [--seed 1] [--lang en|es]      prints stories
  from stories import story; story(random.Random(7), 'es')

Template language: [a|b|c] picks one (nests); {x} is a word of the story; {h} is the hero's name, {h.attr} a form of
an entity, {h:o/a} picks by its gender (masculine/feminine). Sentences are capitalised afterwards.
"""
import argparse
import random
import re

# ------------------------------------------------------------------------------------------------ template engine


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


# ------------------------------------------------------------------------------------------------ English

MADE_UP = 0.2  # the part of names that are invented


def made_up_name(rng, gender):
    """An invented name, so that the model learns to carry over names that it has never seen."""
    n = ''.join(rng.choice('b d f g k l m n p r s t v z br dr gr tr pl ch'.split()) + rng.choice('aeiou') for _ in range(rng.choice([1, 1, 2])))
    return (n + (rng.choice(['la', 'na', 'ra', 'sa', 'ta']) if gender == 'f' else rng.choice(['l', 'n', 'r', 'x', 'do', 'lo', 'ko']))).capitalize()


EN_BOYS = 'Tom Leo Max Oliver Sam Ben Finn Hugo Jack Noah Theo Milo Oscar Felix Arlo Jasper Otto Rufus Barnaby Pip'.split()
EN_GIRLS = 'Lily Mia Anna Ruby Nora Emma Zoe Clara Ivy Luna Daisy Hazel Molly Rosie Wanda Tilly Maya Olive Poppy Stella'.split()
EN_ANIMALS = ('fox cat turtle squirrel mouse rabbit bear owl duck hedgehog frog donkey puppy bee otter dragon robot '
              'penguin elephant giraffe goat wolf badger beaver raccoon parrot kangaroo lion tiger crab unicorn hamster camel llama monster').split()
EN_JOBS = 'baker fisherman gardener clockmaker painter sailor shepherd tailor miller carpenter postman cook prince knight pirate astronaut'.split()
EN_JOBS_F = 'baker fisherwoman gardener clockmaker painter sailor shepherdess tailor miller carpenter cook singer princess knight pirate astronaut'.split()
EN_TRAITS = ['curious', 'brave', 'shy', 'cheerful', 'patient', 'stubborn', 'kind', 'clever', 'quiet', 'clumsy', 'dreamy', 'generous']
EN_HOMES = [
    ('in a small village by the sea', 'the village'), ('in a quiet town at the foot of a mountain', 'the town'),
    ('at the edge of a great forest', 'the forest'), ('on a sunny island', 'the island'),
    ('in a valley full of apple trees', 'the valley'), ('on a farm beside a slow river', 'the farm'),
    ('in a crooked little town with red roofs', 'the town'), ('in a kingdom at the end of the map', 'the kingdom'),
    ('in a harbor full of colorful boats', 'the harbor'), ('in a village where it snowed all winter', 'the village'),
    ('in a castle with a hundred towers', 'the castle'), ('on a small planet full of volcanoes', 'the planet'),
    ('in a big noisy city', 'the city'), ('in a house made of old books', 'the house'),
    ('near a lake as round as a coin', 'the lake'), ('on top of a windy hill', 'the hill')]
EN_HOBBIES = ['counting the stars', 'singing in the rain', 'drawing maps', 'collecting shiny stones', 'telling stories', 'baking honey cakes',
              'watching the clouds', 'climbing trees', 'reading old books', 'playing the flute', 'planting flowers', 'asking questions', 'building sandcastles', 'riding a bicycle', 'writing letters', 'dancing with the wind']
EN_OBJECTS = ['silver key', 'red kite', 'wooden flute', 'golden compass', 'blue lantern', 'old map', 'tiny music box', 'green scarf',
              'copper bell', 'glass marble', 'striped umbrella', 'paper boat', 'velvet hat', 'silver whistle', 'magic brush', 'little drum',
              'pocket watch', 'brass telescope', 'woolen blanket', 'yellow kite', 'silver spoon', 'golden feather', 'old violin', 'crystal ball', 'wooden horse', 'pink umbrella', 'thick book',
              'pair of glasses', 'purple balloon', 'tin soldier']
EN_FRIENDS = [('owl', 'old'), ('snail', 'slow'), ('heron', 'tall'), ('mole', 'sleepy'), ('crow', 'clever'), ('seal', 'playful'), ('toad', 'wise'),
              ('goose', 'grumpy'), ('deer', 'gentle'), ('cricket', 'tiny'), ('horse', 'white'), ('grandmother', 'kind'), ('wizard', 'forgetful'),
              ('sailor', 'old'), ('witch', 'friendly'), ('lizard', 'lazy')]
EN_WEATHER = ['rainy', 'sunny', 'foggy', 'windy', 'snowy', 'cold', 'warm', 'bright', 'cloudy', 'quiet']
EN_QUESTS = [
    ('the old well ran dry', 'without water, the gardens turned yellow', 'blue pearl of rain', 'clear water filled the well again'),
    ('the lighthouse went dark', 'without its light, the ships could not find their way', 'flame that never sleeps', 'the lighthouse shone brighter than ever'),
    ('the great bell stopped ringing', 'without the bell, nobody knew when to wake up', 'silver hammer', 'the bell rang so loudly that even the clouds heard it'),
    ('winter refused to leave', 'the snow covered every door and window', 'golden seed of spring', 'the snow melted and a thousand flowers opened'),
    ('the queen lost her smile', 'without her smile, nobody in the streets wanted to sing', 'laughing flower', 'the queen laughed until her crown fell off'),
    ('all the colors disappeared', 'everything looked as gray as a stone', 'crystal rainbow', 'the colors came back, one by one'),
    ('the moon fell asleep behind a mountain', 'the nights became so dark that nobody dared to go out', 'song of silver', 'the moon woke up, yawned, and climbed into the sky'),
    ('the bread stopped rising', 'everyone was hungry and a little grumpy', 'honey of the wild bees', 'the bread rose as high as the chimney'),
    ('the wind went away', 'the windmills stood still and the kites lay on the ground', 'feather of the north wind', 'a fresh wind came dancing over the roofs'),
    ('all the music went silent', 'the birds opened their beaks, but no sound came out', 'first note of the world', 'a thousand songs filled the air'),
    ('the oldest tree fell ill', 'its leaves turned to dust and the birds had no home', 'drop of morning light', 'the old tree covered itself with green leaves'),
    ('nobody could dream anymore', 'everyone woke up tired and sad', 'pillow of clouds', 'everyone slept and dreamed of the sea')]
EN_FAR = ['at the top of the Whispering Mountain', 'in the heart of the Dark Forest', 'on the Island of Mists', 'in a cave behind the waterfall',
          'in the tower at the end of the world', 'at the bottom of the Green Canyon', 'in the garden of a sleeping giant', 'beyond the desert of red sand']
EN_RIDDLES = [('What has teeth but cannot bite', 'A comb'), ('What gets wetter the more it dries', 'A towel'), ('What has hands but cannot clap', 'A clock'),
              ('What can you catch but never throw', 'A cold'), ('What goes up but never comes down', 'Your age'),
              ('What has one eye but cannot see', 'A needle'), ('What is full of holes but still holds water', 'A sponge'),
              ('What runs all day but never gets tired', 'A river')]
EN_MORALS = {
    'quest': ['even the longest road begins with one small step', 'courage is being afraid and walking on', 'a kind word opens more doors than a key'],
    'lost': ['we often look far away for what is very near', 'what we share is never really lost', 'a good friend is worth more than any treasure'],
    'contest': ['it is better to help than to win', 'those who walk slowly also arrive', 'the best prize is a new friend'],
    'mystery': ['we should ask before we blame', 'there is always a reason, if we stop to listen', 'a secret is lighter when it is shared'],
    'friend': ['we do not need to be alike to be friends', 'a friend is a home you can carry with you', 'those who look different often feel the same'],
    'invent': ['every mistake teaches us something', 'good ideas need time and a little help', 'a broken thing can be the start of something new'],
    'seed': ['good things take time', 'patience makes small things great', 'what we care for with love always grows'],
    'fear': ['being brave does not mean having no fear', 'fear gets smaller when we look at it closely', 'we are braver than we think'],
    'voyage': ['home is sweeter after a long journey', 'the sea is big, but a friend makes it small', 'those who dare to leave learn to come back'],
    'lie': ['the truth is always lighter to carry', 'one lie needs many more, and the truth needs none', 'it takes courage to say sorry'],
    'king': ['laughter is worth more than gold', 'even a king needs a friend', 'the simplest gift is often the best one'],
    'wish': ['the best wishes are the ones we make for others', 'happiness grows when we give it away', 'we sometimes have more than we think']}


def en_person(rng, used, kinds='cjaa'):
    k = rng.choice(kinds)
    g = rng.choice('mf')
    name = rng.choice([n for n in (EN_GIRLS if g == 'f' else EN_BOYS) if n not in used]) if rng.random() >= MADE_UP else made_up_name(rng, g)
    used.add(name)
    if k == 'c':
        kind = 'girl' if g == 'f' else 'boy'
    elif k == 'j':
        kind = rng.choice(EN_JOBS_F if g == 'f' else EN_JOBS)
    else:
        kind = rng.choice([a for a in EN_ANIMALS if a not in used])
    used.add(kind)
    m = g == 'm'
    return Entity(g, name=name, kind=kind, the='the ' + kind, he='he' if m else 'she', him='him' if m else 'her', his='his' if m else 'her')


def a_an(s):
    return ('an ' if s[0] in 'aeiou' and not s.startswith('uni') else 'a ') + s


def en_thing(s):
    return Entity('m', name=s, a=a_an(s), the='the ' + s, noun=s.split()[-1])


def en_story(rng):
    S = Story(rng)
    used = set()
    h = S.e['h'] = en_person(rng, used)
    S.e['f'] = en_person(rng, used, 'aaac')
    S.e['f'].forms['a'] = a_an(S.e['f']['kind'])
    trait = rng.choice(EN_TRAITS)
    S.e['trait'] = trait
    S.e['who'] = a_an(rng.choice([trait, trait, trait + ' little', trait + ' young']) + ' ' + h['kind'])
    hin, hthe = rng.choice(EN_HOMES)
    S.e['in'], S.e['home'] = hin, hthe
    S.e['hobby'], S.e['hobby2'] = rng.sample(EN_HOBBIES, 2)
    o, o2 = rng.sample(EN_OBJECTS, 2)
    S.e['o'], S.e['o2'] = en_thing(o), en_thing(o2)
    gk, ga = rng.choice([x for x in EN_FRIENDS if x[0] not in used])
    S.e['g'] = Entity('m', name='the ' + gk, a=a_an(ga + ' ' + gk), the='the ' + gk)
    S.e['weather'] = rng.choice(EN_WEATHER)
    S.e['w2'] = rng.choice(['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'])
    plot = rng.choice(list(EN_MORALS))
    en_intro(S)
    globals()['en_' + plot](S)
    en_end(S, plot)
    return S.text()


def en_intro(S):
    first = S.pick([
        'Once upon a time, {in}, there lived {who} named {h}.',
        'Once upon a time, there was {who} named {h} who lived {in}.',
        'Long ago, {in}, there lived {who} called {h}.',
        'There was once {who} named {h} who lived {in}.',
        '{in} lived {h}, {who} who loved {hobby}.',
        '{h} was {who} who lived {in}.',
        'This is the story of {h}, {who} who lived {in}.',
        'Many years ago, {who} named {h} lived {in}.',
        'Once there was {who}. {h.his} name was {h}, and {h.he} lived {in}.',
        'One {weather} morning, {in}, {who} named {h} woke up very early.',
        'One {weather} evening, {who} named {h} sat in front of {h.his} house {in}.'])
    S.say(first)
    S.maybe(0 if '{hobby}' in first else 0.75, S.pick([
        '{h} loved {hobby}, and {h.he} did it every day.',
        'Nothing made {h.him} happier than {hobby}.',
        'What {h.he} liked most was {hobby} and {hobby2}.',
        'Everyone in the neighborhood knew {h.him} because {h.he} was always {hobby}.',
        '{h.he} had a small house with a round door, and {h.he} spent the days {hobby}.',
        '{h.his} days were simple: {hobby} in the morning and {hobby2} at night.']))


def en_quest(S):
    prob, why, need, fix = S.pick(EN_QUESTS)
    S.e.update(prob=prob, why=why, n=en_thing(need), fix=fix, far=S.pick(EN_FAR))
    S.par()
    S.say('[One day|One {weather} day|That year|One {w2}], {prob}. {why}.',
          S.pick(['"Only the {n} can help us," said {g.a}, "and it is hidden {far}."',
                  '{g.a} told everyone an old secret: the {n} was hidden {far}.',
                  'In an old book, {h} read that the {n} could help, but it was hidden {far}.']),
          S.pick(['Everyone was afraid to go. "I will go," said {h}.',
                  '"It is too far and too dangerous," said the neighbors. But {h} had already packed {h.his} bag.',
                  '{h} was afraid too, but {h.he} took {o.a}, said goodbye, and started to walk.',
                  '"Someone has to try," said {h}, and {h.he} left that same night.']))
    S.par()
    k = S.r.randrange(5)
    S.say('[{h} walked for three days and three nights.|The road was long, and {h} walked from sunrise to sunset.|{h} crossed fields, bridges and sleepy villages.|For a whole week, {h} followed the stars.]')
    if k == 0:
        q, a = S.pick(EN_RIDDLES)
        S.e.update(q=q, a=a)
        S.say('At last {h.he} came to a stone gate, and the gate spoke. "{q}?" it asked.',
              S.pick(['{h} thought for a long time. "{a}!" {h.he} said at last. The gate laughed and opened.',
                      '{h} closed {h.his} eyes and thought. "{a}," {h.he} answered. Slowly, the gate opened.']))
    elif k == 1:
        S.say('Then {h.he} came to a wide river without a bridge.',
              S.pick(['{f.a} named {f} was sitting on the bank. "Climb on my raft," said {f}, "but sing me a song on the way." {h} sang, and they crossed the river together.',
                      '{f.a} named {f} was trapped under a branch, and {h} set {f.him} free. "Now I will help you," said {f}, and they built a raft together.']))
    elif k == 2:
        S.say('In front of {h.him} slept an enormous dragon. [It opened one eye. "Nobody ever visits me," it sighed.|It woke up and growled, but its eyes were sad.]',
              '{h} sat down beside it and told it [a funny story|the story of {h.his} home|three jokes]. The dragon [laughed|smiled|wagged its tail] and let {h.him} pass.')
    elif k == 3:
        S.say('A thick fog covered everything, and {h} could not see {h.his} own feet.',
              'Then {h.he} remembered {o.the} in {h.his} bag. [{f.a} named {f} saw it shining and came closer.|{f.a} named {f} liked it very much.] "Give me {o.the}," said {f}, "and I will show you the way." {h} gave it to {f.him}, and together they walked out of the fog.')
    else:
        S.say('On the way {h.he} met {f.a} named {f}, who was [hungry and cold|tired and lost|crying beside the road].',
              '{h} shared {h.his} bread with {f.him}. "You are good," said {f}. "I know this land. Come with me." And {f} led {h.him} along a hidden path.')
    S.say('[There it was|And there, at last, it was|Finally they saw it|And there, shining in the dark, it was]: the {n}.' if k in (1, 3, 4) else
          '[There it was|And there, at last, it was|And there, shining in the dark, it was]: the {n}.')
    S.par()
    S.say('[When {h} came home, everyone ran out to meet {h.him}.|{h} carried it home as carefully as an egg.|{h} took it and ran all the way home.]',
          '[That same day|That night|A moment later], {fix}.')


def en_lost(S):
    S.par()
    S.say('{h} had {o.a} [that {h.his} grandmother had given {h.him}|that {h.he} never left behind|that was {h.his} greatest treasure].',
          '[One {weather} morning|One {weather} afternoon|One {w2}], {h.he} [looked in {h.his} bag|looked under {h.his} pillow|opened the drawer], and {o.the} was gone!',
          S.pick(['"Where can it be?" {h.he} said, almost crying.', '"Oh no!" cried {h}. "My {o.noun}!"', '{h} felt a knot in {h.his} throat.']))
    S.par()
    places = S.r.sample(['under the bed', 'behind the stove', 'in the garden', 'by the river', 'at the market', 'in the barn', 'on the roof', 'inside the well'], 3)
    S.e.update(p1=places[0], p2=places[1], p3=places[2])
    S.say('{h} looked {p1}, but it was not there. {h.he} looked {p2}, but {h.he} only found [an old shoe|a sleeping cat|a spider|two buttons and a spoon].',
          '{p3}, {h.he} met {f.a} named {f}. "Have you seen {o.a}?" asked {h}.',
          S.pick(['"No," said {f}, "but two can search better than one."', '"Not yet," said {f}, "but I will help you look."',
                  '"Maybe," said {f}. "I heard a strange noise near the old oak."']),
          S.pick(['Together they followed some tiny footprints to the old oak.', 'They asked {g.a}, and {g.the} pointed at the old oak.',
                  'They searched all afternoon, until they came to the old oak.']))
    S.par()
    S.say(S.pick([
        'High in the branches, a magpie was using {o.the} to decorate its nest! "I only wanted something pretty," said the magpie. {h} gave it a bright ribbon, and the magpie gave back {o.the}.',
        'There, among the roots, a family of mice was sleeping around {o.the}. "We were cold and it kept us company," said the smallest mouse. {h} brought them a warm sock, and they gave back {o.the}.',
        'There sat {g.a}, looking at {o.the}. "I found it on the road," said {g.the}, "and I did not know who had lost it." {h} hugged {g.the} and laughed.',
        'And then {f} began to laugh. "Look behind you!" {f.he} said. {o.the} was hanging from {h.his} own bag! {h} turned red and laughed too.']),
        S.pick(['From then on, {h} and {f} [played together every day|were always together|met under the oak every {w2}].',
                'That evening, {h} and {f} shared [a blueberry pie|hot chocolate|a big bowl of soup] and talked until the moon came out.']))


EN_CONTESTS = [('a great race', 'run', 'running up and down the hill'), ('a cake contest', 'bake', 'mixing flour, eggs and honey'),
               ('a kite contest', 'fly', 'sewing a kite out of old shirts'), ('a boat race', 'sail', 'building a boat out of walnut wood'),
               ('a singing contest', 'sing', 'singing to the chickens'), ('a drawing contest', 'draw', 'drawing on every paper in the house'),
               ('a dance contest', 'dance', 'dancing with a broom'), ('a balloon race', 'fly', 'sewing a balloon out of old sheets'),
               ('a snowman contest', 'build', 'making snowballs as big as pumpkins')]


def en_contest(S):
    c, verb, prep = S.pick(EN_CONTESTS)
    S.e.update(c=c, verb=verb, prep=prep)
    S.par()
    S.say('[One {w2}|One {weather} day|At the end of spring], the mayor announced {c}. The prize was {o.a}.',
          S.pick(['{f}, a very proud {f.kind}, laughed. "Nobody can {verb} like me," {f.he} said.',
                  '"I always win," said {f}, a {f.kind} who loved to boast.',
                  'Everyone thought that {f} would win, because {f} was the best {f.kind} for miles around.']),
          S.pick(['{h} was not sure, but {h.he} wanted to try.', '"I have never won anything," thought {h}, "but I can learn."', '{h} wrote {h.his} name on the list with a trembling hand.']),
          'Every day, {h.he} practiced, {prep}. [{g.a} gave {h.him} good advice: "Slow and steady."|{g.a} watched and clapped.|Some days it went badly, but {h.he} did not give up.]')
    S.par()
    S.say('The day of the contest was {weather}. [The whole town came to watch.|There were flags, drums and lemonade.|{h}\'s heart was beating like a drum.]',
          S.pick(['In the middle of the contest, {f} fell and hurt {f.his} foot. Everyone went on, but {h} stopped. "Lean on me," {h.he} said.',
                  'Suddenly, a strong wind blew away everything {f} had prepared. {f} began to cry. "Take half of mine," said {h}.',
                  'At first {f} was far ahead. But {f} got tired and fell asleep under a tree. {h} woke {f.him} up gently. "Come on," {h.he} said, "or you will miss the end."']),
          S.pick(['They finished last, side by side, and everyone cheered.', 'In the end they finished together, and the judges could not choose.',
                  '{h} did not come first, but nobody was looking at the winner.']))
    S.par()
    S.say(S.pick(['"The prize is for the biggest heart," said the mayor, and handed {o.the} to {h}.',
                  'The mayor gave {o.the} to both of them, and they took turns: one week for {h} and one week for {f}.',
                  '{f} looked at {h} and said, "You are the real winner." And {f.he} gave {h.him} {o.the}.']),
          S.pick(['{f} never boasted again.', 'Since that day, {h} and {f} always practice together.', 'That night there was dancing in the square until very late.']))


EN_MYSTERIES = [('every night, a cake disappeared from the bakery', 'some crumbs', 'I was hungry and too shy to ask', 'From then on, there was always a cake on the windowsill'),
                ('every night, a strange music came from the old mill', 'a broken violin string', 'I practice at night so that nobody laughs at me', 'The next week there was a concert in the square'),
                ('every morning, the laundry was tied in knots', 'a blue thread', 'I wanted to learn to tie knots like the sailors', 'Soon the best teacher of knots was found'),
                ('someone was painting the doors at night', 'drops of green paint', 'the gray doors made me sad', 'Soon all the doors had bright colors'),
                ('the apples were vanishing from the orchard', 'a trail of leaves', 'I am saving food for my little brothers', 'After that, everyone left a basket of apples under the tree'),
                ('a light was moving in the empty house on the hill', 'a candle end', 'I come here to read, because at home there is too much noise', 'They turned the empty house into a library'),
                ('every night, someone rang the school bell', 'a white feather', 'I wanted to know what a school is like', 'On Monday, there was a new chair in the classroom'),
                ('the statue in the square wore a different hat every day', 'a ball of wool', 'I thought the statue was cold', 'Now everybody in the square wears a hat'),
                ('the milk bottles were always half empty', 'tiny wet footprints', 'I have five kittens to feed', 'Since then, every house leaves a small plate of milk at the door')]


def en_mystery(S):
    m, clue, why, end = S.pick(EN_MYSTERIES)
    S.e.update(m=m, clue=clue, why=why, end=end)
    S.par()
    S.say('[But something strange began to happen|Then, one {weather} week, something strange happened|One {w2}, a mystery began]: {m}.',
          S.pick(['"It is a ghost!" whispered the neighbors.', 'Some said it was a ghost, and others blamed {g.the}.', 'Nobody could explain it, not even {g.a} who knew everything.']),
          '"[I will find out the truth|Ghosts do not exist|There must be a reason]," said {h}, and {h.he} took {o.a} and {o2.a}.')
    S.par()
    S.say('That night, {h} hid behind [a barrel|a wall|a bush|an old cart] and waited. [The clock struck twelve.|An owl hooted.|The moon was round and yellow.]',
          '[First|On the ground], {h.he} found {clue}. Then {h.he} heard [soft steps|a tiny cough|a whisper], and {h.his} heart jumped.',
          '[Carefully, {h.he} followed the sound.|{h.he} counted to three and lit a match.|"Who is there?" {h.he} asked.]',
          'It was {f}, {f.a} [who had just come to {home}|with big frightened eyes|no bigger than a boot|that nobody knew well]!'.replace('{home}', 'live nearby'))
    S.par()
    S.say('"Please do not be angry," said {f}. "{why}."',
          S.pick(['{h} smiled and sat down beside {f.him}.', '{h} was not angry at all. "You should have told us," {h.he} said softly.', '"Is that all?" said {h}, and {h.he} began to laugh.']),
          'The next morning, {h} told everyone the truth. {end}.')


def en_friend(S):
    S.par()
    S.say(S.pick(['But {h} had a problem: {h.he} had no friends.', 'But sometimes {h} felt very lonely.', '{h} had just arrived and did not know anyone yet.']),
          '[One {weather} afternoon|One {weather} day|One {w2}], {h.he} met {f}, {f.a} [who was very different from {h.him}|who had come from far away|who spoke a strange language].',
          S.pick(['"You walk in a funny way," said {h}. "And you talk in a funny way," said {f}. They looked at each other and burst out laughing.',
                  '{f} was afraid of {h}, and {h} was afraid of {f}. They stood very still for a long time.',
                  '"Hello," said {h}. {f} did not answer, but {f.he} held out {o.a}.']),
          S.pick(['Little by little, they began to play together.', 'The next day they met again, and the next day too.', 'Soon they were sharing everything, even their secrets.']))
    S.par()
    S.say('{h} taught {f} [to swim|to whistle|to make paper boats|to bake bread], and {f} taught {h} [to dance|to read the stars|to climb|to juggle].',
          '[The others laughed at them. "They do not belong together!" they said.|But the neighbors shook their heads. "How strange," they said.|But {g.a} said, "Those two will never get along."]',
          'Then came a terrible [storm|flood|snowstorm], and [{f} was trapped on a rock|{f} got lost in the dark|{f}\'s house lost its roof].',
          S.pick(['{h} did not think twice. {h.he} took {o2.a} and ran to help.', '{h} called and called until {h.he} heard {f.his} voice.', '"Hold on!" shouted {h}, and {h.he} ran through the rain.']),
          '[At dawn, they came back together, wet but smiling.|All night long they held hands, and at dawn the sun came out.|When the sky cleared, both of them were safe.]')
    S.par()
    S.say(S.pick(['When the others saw it, they were ashamed and asked them to forgive them.', 'Now everyone wanted to be their friend.', '{g.a} brought them soup and said, "I was wrong."']),
          '{h} and {f} [never felt alone again|built a little house between two trees|are still friends today].')


EN_INVENTIONS = [('a machine to catch dreams', 'a net, a lamp and a clock', 'it caught only flies', 'that night everyone saw their dreams floating like soap bubbles'),
                 ('a flying bicycle', 'two sheets, a bell and a broom', 'it flew backward into the pond', 'it rose above the roofs and rang its bell at the clouds'),
                 ('a robot that could wash dishes', 'spoons, springs and an old boot', 'it broke all the plates', 'the robot washed the dishes and even sang while it worked'),
                 ('a machine that made rain', 'a kettle, a fan and a long pipe', 'it made only soup', 'a soft rain fell on the thirsty fields'),
                 ('a pair of walking boots', 'four springs and a lot of glue', 'they walked away without anyone inside', 'the boots walked wherever one wanted to go'),
                 ('a lamp that shone with moonlight', 'a mirror, a jar and a drop of honey', 'it attracted all the moths', 'the lamp filled the streets with silver light'),
                 ('a clock that could stop time', 'three wheels, a pendulum and a cup of tea', 'it only stopped the soup from boiling', 'for one minute even the raindrops waited in the air'),
                 ('a telescope to see tomorrow', 'a long tube, two lenses and a mirror', 'it showed only yesterday', 'in the glass they saw themselves, laughing together'),
                 ('an umbrella that could talk', 'a radio, a spring and some wire', 'it only knew how to sneeze', 'the umbrella told jokes whenever it rained')]


def en_invent(S):
    inv, parts, fail, ok = S.pick(EN_INVENTIONS)
    S.e.update(inv=inv, parts=parts, fail=fail, ok=ok)
    S.par()
    S.say('{h} had a dream: {h.he} wanted to build {inv}.',
          S.pick(['"That is impossible," said the neighbors.', 'Everyone laughed when they heard it.', '"You and your ideas!" said {g.a}.']),
          'But {h} gathered {parts}, and {h.he} worked for [seven days|a whole month|many nights].')
    S.par()
    S.say('The first time, {fail}. {h} [sighed|scratched {h.his} head|wrote it down in a notebook] and started again.',
          'The second time, [it exploded with a loud bang|it did nothing at all|it turned everything pink]. [The neighbors laughed even more.|{h} sat on the floor and wanted to give up.|"Maybe they are right," {h.he} thought sadly.]',
          'Then {f}, {f.a} [who was passing by|who lived next door|who had been watching through the window], said, "[Perhaps it needs|I think it needs|You only need] {o.a}."',
          S.pick(['"What a strange idea," said {h}, "let us try it!"', '{h} opened {h.his} eyes wide. "Of course! How did I not see it?"', '"It cannot get worse," laughed {h}.']))
    S.par()
    S.say('They put {o.the} in its place and held their breath. [Click, clack, boom!|There was a hum, a whistle and a puff of smoke.|For a moment nothing happened. Then it began to shake.]',
          'It worked: {ok}!',
          S.pick(['Everyone clapped, and nobody laughed anymore.', '"We did it!" shouted {h} and {f} together.', 'Even {g.a} threw a hat into the air.']),
          '{h} wrote two names on it: {h} and {f}.')


EN_SEEDS = [('seed', 'planted it in a pot and watered it every day', 'a tree with leaves of every color grew, and its fruit tasted of whatever you liked most'),
            ('egg', 'kept it warm in a basket by the fire', 'a tiny dragon came out, sneezed a spark and fell asleep in the basket'),
            ('seed', 'planted it by the door and sang to it every evening', 'a flower as tall as a house opened, and inside it shone a small star'),
            ('egg', 'wrapped it in a blanket and told it stories', 'a bird with silver feathers came out and sang the most beautiful song in the world'),
            ('acorn', 'planted it on the hill and protected it from the wind', 'an oak grew so big that all the birds of the region came to live in it')]


def en_seed(S):
    s, care, res = S.pick(EN_SEEDS)
    S.e.update(s=en_thing(s), care=care, res=res)
    S.par()
    S.say('[One {w2}|One {weather} morning|One {weather} night], {g.a} gave {h.him} a strange {s}. "[Take good care of it|It needs love and time|Do not lose hope]," said {g.the}.',
          '{h} {care}.', '[A week passed, and nothing happened.|The days went by, and nothing happened.|A month passed, and it was still the same.]')
    S.par()
    S.say(S.pick(['"It is only a stone," laughed {f}, {f.a} who lived nearby.', '{f}, {f.a} who lived next door, laughed. "You are wasting your time."',
                  'Even {f}, {f.a} and a good friend, shook {f.his} head. "Forget it," {f.he} said.']),
          '[But {h} did not give up.|{h} was sad, but {h.he} went on.|"You have to wait," answered {h}.] [Through rain and sun|Every morning and every night|All winter long], {h.he} took care of it.',
          S.pick(['One very cold night, {h.he} covered it with {h.his} own coat.', 'When a storm came, {h.he} stayed awake all night beside it.', 'Sometimes {h.he} talked to it, because {h.he} thought it might be lonely.']))
    S.par()
    S.say('And then, [one {weather} morning|at the end of winter|when nobody expected it], [there was a soft crack|something moved|a small light appeared]. Slowly, {res}.',
          S.pick(['{f} could not believe {f.his} eyes. "Forgive me," {f.he} said, "you were right."', '{f} came running. "How did you do it?" {f.he} asked. "I waited," said {h}.',
                  'The whole neighborhood came to see it, and {f} was the first to clap.']))


EN_FEARS = [('the dark', 'a dark cave', 'discovered that the dark was full of tiny lights: fireflies'),
            ('the water', 'the deep river', 'discovered that the water held {h.him} up like a big soft hand'),
            ('thunder', 'the middle of the storm', 'discovered that thunder is only the drum of the clouds'),
            ('heights', 'the top of the tallest tree', 'discovered that from up there the world looked like a beautiful map'),
            ('the forest', 'the middle of the forest', 'discovered that the forest was full of friendly voices'),
            ('strangers', 'the middle of the crowd', 'discovered that every stranger had a kind face'),
            ('ghosts', 'the old castle', 'discovered that the ghost was only a sheet dancing in the wind')]


def en_fear(S):
    fear, where, disc = S.pick(EN_FEARS)
    S.e.update(fear=fear, where=where, disc=disc)
    S.par()
    S.say('There was only one thing {h} did not like: {h.he} was afraid of {fear}.',
          S.pick(['Nobody knew it, because {h.he} was ashamed to tell.', '{f}, {h.his} best friend, was {f.a} who was not afraid of anything.', '{h.he} always found an excuse to stay at home.'])
          if (k := S.r.randrange(2)) else '{f}, {h.his} best friend, was {f.a} who was not afraid of anything.')
    S.par()
    S.say('[One {weather} night|One {w2}|One {weather} afternoon], {g.a} came running with bad news. "{f}{is} is in danger, in {where}!"'.replace('{is}', ', the {f.kind},' if k else '').replace('in {where}', 'at {where}' if where.startswith('the top') else 'in {where}'),
          S.pick(['{h}\'s knees began to shake.', '{h} turned as white as milk.', '{h} wanted to hide under the bed.']),
          S.pick(['But there was nobody else who could help.', '"If I do not go, who will?" {h.he} thought.', 'But {f} needed help.']),
          '{h.he} took {o.a}, breathed deeply and went.')
    S.par()
    S.say('"{f}, where are you?" {h.he} called. "Here!" answered a small voice.',
          S.pick(['Step by step, {h} went closer.', '{h} sang a song to keep calm.', '{h} counted {h.his} steps: one, two, three.']),
          'And then {h.he} {disc}. [It was not so terrible!|{h} almost smiled.|{h.he} was still afraid, but only a little.]',
          S.pick(['{h.he} found {f} and held out {h.his} hand, and they went home together.', 'With {o.the}, {h.he} managed to set {f} free.', '{h.he} tied a rope around a rock and pulled {f} out.']),
          S.pick(['"You are the bravest {h.kind} I know," said {f}.', '"Were you not afraid?" asked {f}. "Very much," said {h}, "but I came."']))


def en_wish(S):
    S.par()
    S.say(S.pick(['[One {weather} night|One {w2} night], a star fell into {h.his} garden. "Help me go back to the sky," it said, "and I will give you one wish."',
                  '[One {weather} morning|One {w2}], {h} found a golden fish caught in a net. "Set me free," said the fish, "and I will give you one wish."',
                  '[One {weather} afternoon|One {w2}], {h} rubbed an old lamp, and a very small genie came out. "I can give you only one wish," it said.']),
          '[{h} thought of many things:|What should {h.he} ask for? {h.he} thought of] {o.a}, a mountain of sweets, or a castle with a hundred rooms.',
          '"I need to think," said {h}.')
    S.par()
    S.e['sad'] = S.pick(['had no house for the winter', 'had been ill for a long time', 'had lost {f.his} family in a storm', 'had not eaten for two days', 'could no longer see the colors'])
    S.e['happy'] = {'had no': 'a warm little house appeared, with smoke in the chimney', 'had be': '{f} jumped out of bed and began to dance', 'had lo': '{f}\'s family came walking down the road, singing',
                    'had no ': '', 'could ': '{f} opened {f.his} eyes and saw the red of the roses'}.get(S.e['sad'][:6], 'a table appeared, full of bread, cheese and soup')
    if S.e['sad'].startswith('had not'):
        S.e['happy'] = 'a table appeared, full of bread, cheese and soup'
    S.say('On the way {h.he} met {f}, {f.a} who {sad}. [{f} did not complain, but {f.his} eyes were sad.|"I will be all right," said {f}, trying to smile.|{f} was sitting alone on a bench.]',
          '{h} looked at {f} and [forgot about the castle|knew what to do|did not need to think anymore]. "I wish to help {f}," {h.he} said.',
          'There was [a flash of light|a sound of bells|a smell of cinnamon], and {happy}.')
    S.par()
    S.say(S.pick(['"You could have asked for anything," said {g.a} who had seen it all. "I did," answered {h}.',
                  '"And you?" asked {f}. "You have nothing now." "I have a friend," said {h}.',
                  '{f} hugged {h.him} for a long time and could not speak.']),
          S.pick(['The next day, in front of {h.his} door, there was {o.a} with a note: "For a good heart."', 'That night, the stars shone more than ever over {h.his} house.', 'Since then, {h} and {f} have had dinner together every {w2}.']))


def en_voyage(S):
    S.par()
    S.e['isle'] = S.pick(['the island of the talking turtles', 'the city of glass', 'the place where the sun sleeps', 'the island of a thousand bells', 'the land of giant strawberries'])
    S.say('[One {weather} day|One {w2}|One {weather} morning], {h} found {o.a} and, inside it, a tiny note: "Look for {isle}."'.replace('inside it', 'tied to it'),
          S.pick(['{h} had never traveled so far, but {h.he} built a small boat and set sail.', '"It does not exist," said {g.a}. But {h} was already raising the sail.', 'That same night, {h} packed bread, cheese and a blanket, and left in a balloon.']))
    S.par()
    S.say('[On the third day|At midnight|When land was no longer in sight], [a terrible storm came|huge waves rose on all sides|the sky turned black].',
          S.pick(['"Help!" cried a voice. It was {f}, {f.a} who was holding on to a plank. {h} threw {f.him} a rope and pulled {f.him} up.',
                  'In the middle of the storm, {h.he} found {f}, {f.a} who was lost just like {h.him}. "Two are stronger than one," said {f}.']),
          S.pick(['Together they held the rudder until the sea became calm.', 'They sang as loudly as they could, and the storm grew tired.', 'A kind whale heard them and carried them on its back.']),
          '[In the morning|At dawn|Seven days later], they saw it: {isle}!')
    S.par()
    S.say(S.pick(['They were welcomed with drums and sweet fruit, and they danced until they fell asleep.', 'It was even more beautiful than in the stories, and they stayed there for a whole month.', 'There they found no gold, but they learned three new songs and a secret.']),
          S.pick(['When {h} came home, {h.he} told the story so many times that everyone knew it by heart.', 'At last {h} missed {h.his} own bed, and {h.he} and {f} sailed home together.', '{h} came home with {o.the}, a new friend and sand in {h.his} shoes.']))


def en_lie(S):
    S.par()
    S.say(S.pick(['One {w2}, {h} was playing indoors and broke {o.the} that belonged to {g.the}.', '{g.a} lent {h} {o.a}, and {h} lost it on the very first day.', 'One {weather} afternoon, {h} took {o.the} of {g.a} without asking, and it fell into the river.']),
          '"[What happened to {o.the}|Where is {o.the}|Have you seen {o.the}]?" asked {g.the}.',
          S.pick(['"It was {f}," said {h}, and {h.his} ears turned red.', '"I think {f} took it," lied {h}.', '"Perhaps {f} knows," said {h}, without looking up.']))
    S.par()
    S.say('Poor {f}! {f.he} was {f.a} who had done nothing wrong. [Nobody wanted to play with {f.him} anymore.|Everyone looked at {f.him} in a strange way.|{f.he} sat alone by the fountain and cried.]',
          'That night, {h} could not sleep. [The lie was as heavy as a stone.|{h.he} turned over and over in bed.|Even the moon seemed to look at {h.him}.]',
          S.pick(['"I have to tell the truth," {h.he} thought.', '"Tomorrow I will fix it," {h.he} said to {h.his} pillow.', 'At last {h.he} got up and put on {h.his} shoes.']))
    S.par()
    S.say('[The next morning|At sunrise|Before breakfast], {h} went to {g.the}. "It was me," {h.he} said. "[I am sorry|Please forgive me|I was afraid]."',
          S.pick(['{g.the} was silent for a moment and then smiled. "Thank you for telling me."', '"A broken thing can be mended," said {g.the}, "and so can a lie."', '{g.the} gave {h.him} a long hug.']),
          S.pick(['Then {h} asked {f} to forgive {h.him}, and {f} said yes.', '{h} and {f} worked together all week to make a new one.', '{h} gave {f} {o2.a} and half of {h.his} cake, and they were friends again.']))


def en_king(S):
    S.par()
    S.e['q'], S.e['qhe'] = S.pick([('the king', 'he'), ('the queen', 'she'), ('the emperor', 'he'), ('the old queen', 'she')])
    S.say('In that country, {q} was always [bored|sad|in a bad mood]. "Whoever makes me laugh," said {qhe}, "may ask for anything."'.replace('said {qhe}', '{qhe} said'),
          S.pick(['Clowns, singers and wizards came from everywhere, but nothing worked.', 'A hundred people tried, and a hundred people failed.', '{f}, {f.a} with a very high opinion of {f.him}{f.x}, juggled with nine oranges, but {q} only yawned.'.replace('{f.him}{f.x}', 'life')]),
          S.pick(['{h} had no tricks, but {h.he} went to the palace with {o.a}.', '"I will try," said {h}. {h.he} took {o.a} and knocked at the golden door.', '{h} did not want gold. {h.he} only felt sorry for {q}.']))
    S.par()
    S.say('[When it was {h.his} turn|In front of the throne|At the door of the great hall], {h} [slipped on the shiny floor|sneezed so hard that the candles went out|got tangled in the curtain] [and landed in a bowl of soup|and ended up with a flowerpot on {h.his} head|and rolled all the way to the throne].',
          'There was a long silence. [Then {q} made a small sound, like a mouse.|Then the crown began to shake.|The guards held their breath.] And suddenly {q} laughed and laughed, until the windows trembled.',
          '"[Ask for anything|What do you want|Tell me your wish]," said {q}, wiping away a tear.'.replace('What do you want,', 'What do you want?'))
    S.par()
    S.say(S.pick(['"I would like you to come and have tea with me," said {h}. And {q} came every {w2}.', '"I would like a party for everyone," said {h}. And the music lasted three days.', '"I would like to be your friend," said {h}. Nobody had ever asked for that.']),
          S.pick(['Since then, the palace doors are always open.', 'Since then, {q} walks through the streets and greets everyone.', 'And on the throne, instead of gold, there is now {o.a}.']))


def en_end(S, plot):
    S.e['moral'] = S.pick(EN_MORALS[plot])
    if S.r.random() < 0.8:
        S.say(S.pick(['{h} learned that {moral}.', 'And so {h} learned that {moral}.', 'That day, everyone understood that {moral}.', 'And {h} never forgot that {moral}.',
                      'As {g.a} once said, {moral}.', 'Because {moral}.']))
    S.maybe(0.35, S.pick(['The end.', 'And they all lived happily ever after.', 'And if you pass by there one day, you can still hear {h} telling this story.', 'And that night, {h} slept with a smile.']))


# ------------------------------------------------------------------------------------------------ Spanish

ES_BOYS = 'Mateo Lucas Diego Pablo Hugo Bruno Nico Tomás Simón Leo Martín Andrés Gaspar Ramón Julián Félix Rubén Óscar Beto Paco'.split()
ES_GIRLS = 'Lucía Sofía Elena Carmen Marta Luna Clara Inés Rosa Valeria Julia Alma Irene Nora Lola Violeta Aurora Paula Emilia Pilar'.split()
ES_ANIMALS = {'m': 'zorro gato ratón conejo oso búho pato erizo burro perro dragón robot pingüino elefante lobo castor sapo mono mapache loro canguro león tigre cangrejo unicornio camello monstruo'.split(),
              'f': 'gata tortuga ardilla coneja osa lechuza rana abeja nutria elefanta jirafa cabra oveja hormiga mariposa gallina loba zorra leona tigresa llama cebra foca'.split()}
ES_JOBS = {'m': 'panadero pescador jardinero relojero pintor marinero pastor sastre molinero carpintero cartero cocinero príncipe caballero pirata astronauta'.split(),
           'f': 'panadera pescadora jardinera relojera pintora marinera pastora modista molinera carpintera cocinera princesa pirata astronauta cantante'.split()}
ES_TRAITS = [('curioso', 'curiosa'), ('valiente', 'valiente'), ('tímido', 'tímida'), ('alegre', 'alegre'), ('paciente', 'paciente'), ('terco', 'terca'),
             ('amable', 'amable'), ('ingenioso', 'ingeniosa'), ('callado', 'callada'), ('torpe', 'torpe'), ('soñador', 'soñadora'), ('generoso', 'generosa')]
ES_HOMES = ['en un pueblo junto al mar', 'en un pueblo tranquilo al pie de una montaña', 'al borde de un gran bosque', 'en una isla llena de sol',
            'en un valle lleno de manzanos', 'en una granja junto a un río lento', 'en un pueblo torcido de tejados rojos', 'en un reino al final del mapa',
            'en un puerto lleno de barcos de colores', 'en una aldea donde nevaba todo el invierno', 'cerca de un lago redondo como una moneda', 'en un castillo de cien torres', 'en un pequeño planeta lleno de volcanes',
            'en una ciudad grande y ruidosa', 'en una casa hecha de libros viejos', 'en lo alto de una colina con mucho viento']
ES_HOBBIES = ['contar las estrellas', 'cantar bajo la lluvia', 'dibujar mapas', 'coleccionar piedras brillantes', 'contar cuentos', 'hornear pasteles de miel', 'mirar las nubes',
              'trepar a los árboles', 'leer libros viejos', 'tocar la flauta', 'plantar flores', 'hacer preguntas', 'construir castillos de arena', 'montar en bicicleta', 'escribir cartas', 'bailar con el viento']
ES_OBJECTS = [
    ('f', 'llave', 'de plata'), ('f', 'cometa', 'roja'), ('f', 'flauta', 'de madera'), ('f', 'brújula', 'dorada'), ('m', 'farol', 'azul'), ('m', 'mapa', 'antiguo'),
    ('f', 'caja', 'de música'), ('f', 'bufanda', 'verde'), ('f', 'campana', 'de cobre'), ('f', 'canica', 'de cristal'), ('m', 'paraguas', 'de rayas'), ('m', 'barco', 'de papel'),
    ('m', 'sombrero', 'de terciopelo'), ('m', 'silbato', 'de plata'), ('m', 'pincel', 'mágico'), ('m', 'tambor', 'pequeño'), ('m', 'reloj', 'de bolsillo'),
    ('m', 'catalejo', 'de bronce'), ('f', 'manta', 'de lana'), ('f', 'cometa', 'amarilla'),
    ('f', 'cuchara', 'de plata'), ('f', 'pluma', 'dorada'), ('m', 'violín', 'viejo'), ('f', 'bola', 'de cristal'), ('m', 'caballo', 'de madera'),
    ('m', 'libro', 'muy gordo'), ('f', 'lupa', 'redonda'), ('m', 'globo', 'morado'), ('m', 'soldado', 'de plomo'), ('f', 'taza', 'azul')]
ES_FRIENDS = [('f', 'lechuza', 'vieja'), ('m', 'caracol', 'muy lento'), ('f', 'garza', 'muy alta'), ('m', 'topo', 'dormilón'), ('m', 'cuervo', 'listo'), ('f', 'foca', 'juguetona'),
              ('m', 'sapo', 'sabio'), ('f', 'oca', 'gruñona'), ('m', 'ciervo', 'tranquilo'), ('m', 'grillo', 'diminuto'), ('m', 'caballo', 'blanco'), ('f', 'abuela', 'muy sabia'),
              ('m', 'mago', 'despistado'), ('m', 'capitán', 'retirado'), ('f', 'bruja', 'simpática'), ('f', 'lagartija', 'perezosa')]
ES_WEATHER = [('lluvioso', 'lluviosa'), ('soleado', 'soleada'), ('de niebla', 'de niebla'), ('de viento', 'de viento'), ('de nieve', 'de nieve'), ('frío', 'fría'),
              ('templado', 'templada'), ('clara', 'clara'), ('nublado', 'nublada'), ('tranquilo', 'tranquila')]
ES_WEATHER[7] = ('claro', 'clara')
ES_QUESTS = [
    ('el viejo pozo se secó', 'sin agua, los huertos se volvieron amarillos', ('f', 'perla azul de la lluvia'), 'el agua clara llenó de nuevo el pozo'),
    ('el faro se apagó', 'sin su luz, los barcos no encontraban el camino', ('f', 'llama que nunca duerme'), 'el faro brilló más que nunca'),
    ('la gran campana dejó de sonar', 'sin la campana, nadie sabía cuándo despertarse', ('m', 'martillo de plata'), 'la campana sonó tan fuerte que la oyeron hasta las nubes'),
    ('el invierno no quiso marcharse', 'la nieve cubría todas las puertas y ventanas', ('f', 'semilla dorada de la primavera'), 'la nieve se derritió y se abrieron mil flores'),
    ('la reina perdió la sonrisa', 'sin su sonrisa, nadie quería cantar en las calles', ('f', 'flor de la risa'), 'la reina se rio hasta que se le cayó la corona'),
    ('desaparecieron todos los colores', 'todo se veía gris como una piedra', ('m', 'arcoíris de cristal'), 'los colores volvieron, uno por uno'),
    ('la luna se quedó dormida detrás de una montaña', 'las noches eran tan oscuras que nadie se atrevía a salir', ('f', 'canción de plata'), 'la luna despertó, bostezó y subió al cielo'),
    ('el pan dejó de crecer en el horno', 'todos tenían hambre y un poco de mal humor', ('f', 'miel de las abejas salvajes'), 'el pan creció tan alto como la chimenea'),
    ('el viento se marchó', 'los molinos no giraban y las cometas estaban en el suelo', ('f', 'pluma del viento del norte'), 'un viento fresco llegó bailando sobre los tejados'),
    ('la música se quedó muda', 'los pájaros abrían el pico, pero no salía ningún sonido', ('f', 'primera nota del mundo'), 'mil canciones llenaron el aire'),
    ('el árbol más viejo se puso enfermo', 'sus hojas se volvían polvo y los pájaros no tenían casa', ('f', 'gota de luz de la mañana'), 'el viejo árbol se cubrió de hojas verdes'),
    ('nadie podía soñar', 'todos se despertaban cansados y tristes', ('f', 'almohada de nubes'), 'todos durmieron y soñaron con el mar')]
ES_FAR = ['en lo alto de la Montaña de los Susurros', 'en el corazón del Bosque Oscuro', 'en la Isla de las Nieblas', 'en una cueva detrás de la cascada', 'en la torre del fin del mundo',
          'en el fondo del Cañón Verde', 'en el jardín de un gigante dormido', 'más allá del desierto de arena roja']
ES_RIDDLES = [('¿Qué tiene dientes pero no muerde?', 'El peine'), ('¿Qué se moja mientras seca?', 'La toalla'), ('¿Qué tiene agujas pero no cose?', 'El reloj'), ('¿Qué sube pero nunca baja?', 'La edad'),
              ('¿Qué tiene un ojo pero no ve?', 'La aguja'), ('¿Qué está lleno de agujeros y aun así guarda el agua?', 'La esponja'), ('¿Qué corre todo el día y nunca se cansa?', 'El río'),
              ('¿Qué va y viene sin moverse de su sitio?', 'El camino')]
ES_MORALS = {
    'quest': ['hasta el camino más largo empieza con un paso pequeño', 'ser valiente es tener miedo y seguir andando', 'una palabra amable abre más puertas que una llave'],
    'lost': ['a menudo buscamos lejos lo que está muy cerca', 'lo que se comparte nunca se pierde', 'un buen amigo vale más que cualquier tesoro'],
    'contest': ['es mejor ayudar que ganar', 'quien camina despacio también llega', 'el mejor premio es una nueva amistad'],
    'mystery': ['hay que preguntar antes de acusar', 'siempre hay una razón, si nos paramos a escuchar', 'un secreto pesa menos cuando se comparte'],
    'friend': ['no hace falta ser iguales para ser amigos', 'la amistad es una casa que llevamos con nosotros', 'los que parecen distintos a menudo sienten lo mismo'],
    'invent': ['cada error nos enseña algo', 'las buenas ideas necesitan tiempo y un poco de ayuda', 'una cosa rota puede ser el principio de algo nuevo'],
    'seed': ['las cosas buenas necesitan tiempo', 'la paciencia hace grandes las cosas pequeñas', 'lo que se cuida con cariño siempre crece'],
    'fear': ['ser valiente no es no tener miedo', 'el miedo se hace pequeño cuando lo miramos de cerca', 'somos más valientes de lo que pensamos'],
    'voyage': ['la casa es más dulce después de un largo viaje', 'el mar es grande, pero la amistad lo hace pequeño', 'quien se atreve a partir aprende a volver'],
    'lie': ['la verdad pesa siempre menos', 'una mentira necesita muchas más, y la verdad ninguna', 'hace falta valor para pedir perdón'],
    'king': ['la risa vale más que el oro', 'hasta un rey necesita compañía', 'el regalo más sencillo es a menudo el mejor'],
    'wish': ['los mejores deseos son los que pedimos para otros', 'la alegría crece cuando se regala', 'a veces tenemos más de lo que creemos']}


def es_noun(g, noun, rest=''):
    m = g == 'm'
    full = (noun + ' ' + rest).strip()
    return Entity(g, name=full, noun=noun, un=('un ' if m else 'una ') + full, el=('el ' if m else 'la ') + full, **{
        'del': ('del ' if m else 'de la ') + noun, 'al': ('al ' if m else 'a la ') + noun, 'ese': ('el ' if m else 'la ') + noun})


def es_person(rng, used, kinds='cjaa'):
    k, g = rng.choice(kinds), rng.choice('mf')
    name = rng.choice([n for n in (ES_GIRLS if g == 'f' else ES_BOYS) if n not in used]) if rng.random() >= MADE_UP else made_up_name(rng, g)
    used.add(name)
    kind = ('niña' if g == 'f' else 'niño') if k == 'c' else rng.choice([x for x in (ES_JOBS if k == 'j' else ES_ANIMALS)[g] if x not in used])
    used.add(kind)
    e = es_noun(g, kind)
    e.forms.update(name=name, kind=kind, pron='él' if g == 'm' else 'ella')
    return e


def es_story(rng):
    S = Story(rng)
    used = set()
    h = S.e['h'] = es_person(rng, used)
    S.e['f'] = es_person(rng, used, 'aaac')
    t = rng.choice(ES_TRAITS)[h.gender == 'f']
    size = rng.choice(['', '', '', 'pequeño', 'joven'])
    if size:
        size = {'pequeño': 'pequeñ' + ('a' if h.gender == 'f' else 'o')}.get(size, size) + ' y '
    S.e['who'] = ('una ' if h.gender == 'f' else 'un ') + h['kind'] + ' ' + size + t
    S.e['in'] = rng.choice(ES_HOMES)
    S.e['hobby'], S.e['hobby2'] = rng.sample(ES_HOBBIES, 2)
    a, b = rng.sample(ES_OBJECTS, 2)
    S.e['o'], S.e['o2'] = es_noun(*a), es_noun(*b)
    g = rng.choice([x for x in ES_FRIENDS if x[1] not in used])
    S.e['g'] = es_noun(*g)
    S.e['g'].forms['name'] = S.e['g']['ese']
    S.e['wm'], S.e['wf'] = rng.choice(ES_WEATHER)
    S.e['w2'] = rng.choice('lunes martes miércoles jueves viernes sábado domingo'.split())
    S.e['w2s'] = S.e['w2'] if S.e['w2'].endswith('s') else S.e['w2'] + 's'
    plot = rng.choice(list(ES_MORALS))
    es_intro(S)
    globals()['es_' + plot](S)
    es_end(S, plot)
    return re.sub(r'\by (?=[Ii])', 'e ', S.text())  # y Inés -> e Inés


def es_intro(S):
    first = S.pick([
        'Había una vez, {in}, {who} que se llamaba {h}.',
        'Había una vez {who} que se llamaba {h} y que vivía {in}.',
        'Érase una vez {who} que vivía {in}. Se llamaba {h}.',
        'Hace mucho tiempo, {in}, vivía {who} que se llamaba {h}.',
        '{in} vivía {h}, {who} que adoraba {hobby}.',
        '{h} era {who} que vivía {in}.',
        'Esta es la historia de {h}, {who} que vivía {in}.',
        'Hace muchos años, {who} {h:llamado/llamada} {h} vivía {in}.',
        'Una mañana {wf}, {in}, {who} {h:llamado/llamada} {h} se despertó muy temprano.',
        'Una tarde {wf}, {who} {h:llamado/llamada} {h} estaba {h:sentado/sentada} delante de su casa, {in}.',
        'Cuentan que {in} vivía {who} {h:llamado/llamada} {h}.'])
    S.say(first)
    S.maybe(0 if '{hobby}' in first else 0.75, S.pick([
        'A {h} le gustaba {hobby}, y lo hacía todos los días.',
        'Nada le hacía más feliz que {hobby}.',
        'Lo que más le gustaba era {hobby} y {hobby2}.',
        'Todo el mundo conocía a {h} porque no paraba de {hobby}.',
        'Tenía una casita con una puerta redonda y pasaba los días sin hacer otra cosa que {hobby}.',
        'Sus días eran sencillos: {hobby} por la mañana y {hobby2} por la noche.']))


def es_quest(S):
    prob, why, need, fix = S.pick(ES_QUESTS)
    S.e.update(prob=prob, why=why, n=es_noun(*need), fix=fix, far=S.pick(ES_FAR))
    S.par()
    S.say('[Un día|Un día {wm}|Aquel año|Un {w2}], {prob}. {why}.',
          S.pick(['—Solo {n.el} puede ayudarnos —dijo {g.un}—, y está {n:escondido/escondida} {far}.',
                  '{g.un} contó a todos un viejo secreto: {n.el} estaba {n:escondido/escondida} {far}.',
                  'En un libro antiguo, {h} leyó que {n.el} podía ayudar, pero estaba {n:escondido/escondida} {far}.']),
          S.pick(['Todos tenían miedo de ir. —Iré yo —dijo {h}.',
                  '—Está muy lejos y es muy peligroso —decían los vecinos. Pero {h} ya había preparado su mochila.',
                  '{h} también tenía miedo, pero tomó {o.un}, se despidió y empezó a caminar.',
                  '—Alguien tiene que intentarlo —dijo {h}, y se marchó esa misma noche.']))
    S.par()
    k = S.r.randrange(5)
    S.say('[{h} caminó tres días y tres noches.|El camino era largo, y {h} anduvo desde el amanecer hasta la noche.|{h} cruzó campos, puentes y pueblos dormidos.|Durante una semana entera, {h} siguió las estrellas.]')
    if k == 0:
        q, a = S.pick(ES_RIDDLES)
        S.e.update(q=q, a=a)
        S.say('Por fin llegó a una puerta de piedra, y la puerta habló: —{q}',
              S.pick(['{h} pensó mucho rato. —¡{a}! —dijo al fin. La puerta se echó a reír y se abrió.',
                      '{h} cerró los ojos y pensó. —{a} —respondió. Poco a poco, la puerta se abrió.']))
    elif k == 1:
        S.say('Entonces llegó a un río muy ancho que no tenía puente.',
              S.pick(['En la orilla estaba {f}, {f.un} que tenía una balsa. —Sube —dijo {f}—, pero cántame una canción por el camino. {h} cantó, y cruzaron el río {hf:juntos/juntas}.',
                      '{f}, {f.un} que vivía allí, estaba {f:atrapado/atrapada} debajo de una rama, y {h} {f:lo/la} liberó. —Ahora te ayudaré yo —dijo {f}, y construyeron una balsa.']))
    elif k == 2:
        S.say('Delante dormía un dragón enorme. [El dragón abrió un ojo. —Nadie viene nunca a visitarme —suspiró.|El dragón despertó y gruñó, pero tenía los ojos tristes.]',
              '{h} se sentó a su lado y le contó [una historia divertida|la historia de su casa|tres chistes]. El dragón [se rio|sonrió|movió la cola] y {h:lo/la} dejó pasar.')
    elif k == 3:
        S.say('Una niebla espesa lo cubría todo, y {h} no podía ver ni sus propios pies.',
              'Entonces se acordó {o.del} que llevaba en la mochila. {f}, {f.un} que pasaba por allí, vio {o.ese} y se acercó. —Si me {o:lo/la} das, te enseñaré el camino —dijo {f}. {h} se {o:lo/la} dio, y así salieron de la niebla.')
    else:
        S.say('Por el camino encontró a {f}, {f.un} que [tenía hambre y frío|se había perdido|lloraba al lado del camino].',
              '{h} compartió su pan con {f.pron}. —Tienes buen corazón —dijo {f}—. Conozco esta tierra. Ven conmigo. Y {f} le mostró un sendero secreto.')
    S.say('[Allí estaba|Y allí, por fin, estaba|Y allí, brillando en la oscuridad, estaba] {n.el}.')
    S.par()
    S.say('[Cuando {h} volvió a casa, todos salieron a recibir{h:lo/la}.|{h} {n:lo/la} llevó a casa con tanto cuidado como si fuera un huevo.|{h} {n:lo/la} tomó y corrió hasta su casa.]',
          '[Ese mismo día|Esa noche|Un momento después], {fix}.')


def es_lost(S):
    S.par()
    S.say('{h} tenía {o.un} [que le había regalado su abuela|que llevaba siempre consigo|que era su mayor tesoro].',
          '[Una mañana {wf}|Una tarde {wf}|Un {w2}], [buscó en su bolsa|miró debajo de la almohada|abrió el cajón] y {o.el} no estaba.',
          S.pick(['—¿Dónde puede estar? —dijo, a punto de llorar.', '—¡Oh, no! —gritó {h}—. ¡Mi {o.noun}!', '{h} sintió un nudo en la garganta.']))
    S.par()
    p = S.r.sample(['debajo de la cama', 'detrás de la estufa', 'en el jardín', 'junto al río', 'en el mercado', 'en el granero', 'en el tejado', 'dentro del pozo'], 3)
    S.e.update(p1=p[0], p2=p[1], p3=p[2])
    S.say('{h} buscó {p1}, pero no estaba allí. Buscó {p2}, pero solo encontró [un zapato viejo|un gato dormido|una araña|dos botones y una cuchara].',
          '{p3} encontró a {f}, {f.un} que vivía cerca. —¿Has visto {o.un}? —preguntó {h}.',
          S.pick(['—No —dijo {f}—, pero entre dos se busca mejor.', '—Todavía no —dijo {f}—, pero te ayudaré a buscar.', '—Tal vez —dijo {f}—. Oí un ruido extraño cerca del viejo roble.']),
          S.pick(['Así que siguieron unas huellas diminutas hasta el viejo roble.', 'Preguntaron a {g.un}, y {g.ese} señaló el viejo roble.', 'Buscaron toda la tarde, hasta que llegaron al viejo roble.']))
    S.par()
    S.say(S.pick([
        '¡En lo alto de las ramas, una urraca había adornado su nido con {o.el}! —Solo quería algo bonito —dijo la urraca. {h} le dio una cinta brillante, y la urraca le devolvió {o.ese}.',
        'Allí, entre las raíces, una familia de ratones dormía alrededor {o.del}. —Teníamos frío y nos hacía compañía —dijo el ratón más pequeño. {h} les trajo un calcetín caliente, y ellos le devolvieron {o.ese}.',
        'Allí estaba {g.un}, mirando {o.el}. —{o:Lo/La} encontré en el camino —dijo {g.ese}—, y no sabía de quién era. {h} {g:lo/la} abrazó y se echó a reír.',
        'Y entonces {f} empezó a reír. —¡Mira detrás de ti! —dijo. ¡{o.el} colgaba de su propia bolsa! {h} se puso {h:rojo/roja} y se rio también.']),
        S.pick(['Desde entonces, {h} y {f} [jugaban todos los días|no se separaban nunca|se veían bajo el roble cada {w2}].',
                'Aquella noche, {h} y {f} compartieron [una tarta de moras|un chocolate caliente|un gran plato de sopa] y hablaron hasta que salió la luna.']))


ES_CONTESTS = [('una gran carrera', 'corre', 'subiendo y bajando la colina'), ('un concurso de pasteles', 'cocina', 'mezclando harina, huevos y miel'),
               ('un concurso de cometas', 'vuela cometas', 'cosiendo una cometa con camisas viejas'), ('una carrera de barcos', 'navega', 'construyendo un barco de madera de nogal'),
               ('un concurso de canto', 'canta', 'cantando a las gallinas'), ('un concurso de dibujo', 'dibuja', 'dibujando en todos los papeles de la casa'),
               ('un concurso de baile', 'baila', 'bailando con una escoba'), ('una carrera de globos', 'vuela', 'cosiendo un globo con sábanas viejas'),
               ('un concurso de muñecos de nieve', 'construye', 'haciendo bolas de nieve grandes como calabazas')]


def es_contest(S):
    c, verb, prep = S.pick(ES_CONTESTS)
    S.e.update(c=c, verb=verb, prep=prep)
    S.par()
    S.say('[Un {w2}|Un día {wm}|Al final de la primavera], el alcalde anunció {c}. El premio era {o.un}.',
          S.pick(['{f}, {f.un} muy {f:orgulloso/orgullosa}, se echó a reír. —Nadie {verb} como yo —dijo.', '—Yo siempre gano —dijo {f}, {f.un} que presumía mucho.',
                  'Todos pensaban que ganaría {f}, {f.un} con mucha fama.']),
          S.pick(['{h} no lo tenía claro, pero quería intentarlo.', '«Nunca he ganado nada», pensó {h}, «pero puedo aprender».', '{h} escribió su nombre en la lista con mano temblorosa.']),
          'Todos los días practicaba, {prep}. [{g.un} le dio un buen consejo: —Despacio y sin parar.|{g.un} miraba y aplaudía.|Algunos días salía mal, pero no se rendía.]')
    S.par()
    S.say('El día del concurso llegó, [frío y claro|con un sol enorme|con un poco de viento]. [Todo el pueblo fue a mirar.|Había banderas, tambores y limonada.|A {h} le latía el corazón como un tambor.]',
          S.pick(['En mitad de la prueba, {f} se cayó y se hizo daño en un pie. Todos siguieron, pero {h} se detuvo. —Apóyate en mí —le dijo.',
                  'De pronto, un viento fuerte se llevó todo lo que {f} había preparado. {f} empezó a llorar. —Toma la mitad de lo mío —dijo {h}.',
                  'Al principio {f} iba muy por delante. Pero se cansó y se quedó {f:dormido/dormida} bajo un árbol. {h} {f:lo/la} despertó con cuidado. —Vamos —le dijo—, o te perderás el final.']),
          S.pick(['Llegaron al final, uno al lado del otro, y todos aplaudieron.', 'Terminaron a la vez, y los jueces no sabían a quién elegir.', '{h} no quedó en primer lugar, pero nadie miraba al ganador.'])
          .replace('uno al lado del otro', '{hf:uno al lado del otro/una al lado de la otra}'))
    S.par()
    S.say(S.pick(['—El premio es para el corazón más grande —dijo el alcalde, y le dio {o.el} a {h}.', 'El alcalde les dio {o.el} a los dos, y se turnaban: una semana {h} y otra semana {f}.'.replace('a los dos', 'a {hf:los dos/las dos}'),
                  '{f} miró a {h} y le dijo: —Tú sí que has ganado. Y le regaló {o.el}.']),
          S.pick(['{f} no volvió a presumir nunca más.', 'Desde aquel día, {h} y {f} siempre practican {hf:juntos/juntas}.', 'Aquella noche hubo baile en la plaza hasta muy tarde.']))


ES_MYSTERIES = [('cada noche desaparecía un pastel de la panadería', 'unas migas', 'Tenía hambre y me daba vergüenza pedir', 'Desde entonces siempre hubo un pastel en la ventana'),
                ('cada noche sonaba una música extraña en el viejo molino', 'una cuerda de violín rota', 'Practico de noche para que nadie se ría de mí', 'A la semana siguiente hubo un concierto en la plaza'),
                ('cada mañana la ropa tendida aparecía llena de nudos', 'un hilo azul', 'Quería aprender a hacer nudos como los marineros', 'Pronto le encontraron quien le enseñara todos los nudos del mundo'),
                ('alguien pintaba las puertas por la noche', 'unas gotas de pintura verde', 'Las puertas grises me ponían triste', 'Pronto todas las puertas tuvieron colores alegres'),
                ('las manzanas desaparecían del huerto', 'un rastro de hojas', 'Guardo comida para mis hermanos pequeños', 'Después de eso, todos dejaban una cesta de manzanas bajo el árbol'),
                ('una luz se movía en la casa vacía de la colina', 'un trozo de vela', 'Vengo aquí a leer, porque en mi casa hay mucho ruido', 'Y convirtieron la casa vacía en una biblioteca'),
                ('cada noche alguien tocaba la campana de la escuela', 'una pluma blanca', 'Quería saber cómo es una escuela', 'El lunes había una silla nueva en la clase'),
                ('la estatua de la plaza llevaba cada día un sombrero distinto', 'un ovillo de lana', 'Pensé que la estatua tenía frío', 'Ahora todo el mundo lleva sombrero en la plaza'),
                ('las botellas de leche aparecían medio vacías', 'unas huellas mojadas y pequeñas', 'Tengo que alimentar a cinco gatitos', 'Desde entonces cada casa deja un platito de leche en la puerta')]


def es_mystery(S):
    m, clue, why, end = S.pick(ES_MYSTERIES)
    S.e.update(m=m, clue=clue, why=why, end=end)
    S.par()
    S.say('[Pero algo extraño empezó a suceder|Entonces, una semana {wf}, pasó algo raro|Un {w2} empezó un misterio]: {m}.',
          S.pick(['—¡Es un fantasma! —susurraban los vecinos.', 'Unos decían que era un fantasma, y otros echaban la culpa {g.al}.', 'Nadie podía explicarlo, ni siquiera {g.un} que lo sabía todo.']),
          '—[Yo descubriré la verdad|Los fantasmas no existen|Tiene que haber una razón] —dijo {h}, y tomó {o.un} y {o2.un}.')
    S.par()
    S.say('Esa noche, {h} se escondió detrás de [un barril|un muro|un arbusto|un carro viejo] y esperó. [El reloj dio las doce.|Un búho cantó a lo lejos.|La luna estaba redonda y amarilla.]',
          '[Primero|En el suelo] encontró {clue}. Luego oyó [unos pasos suaves|una tos pequeñita|un susurro], y el corazón le dio un salto.',
          '[Con cuidado, siguió el sonido.|Contó hasta tres y encendió una cerilla.|—¿Quién anda ahí? —preguntó.]',
          '¡Era {f}, {f.un} [que acababa de llegar al lugar|de grandes ojos asustados|que cabía en una bota|que casi nadie conocía]!')
    S.par()
    S.say('—Por favor, no te enfades —dijo {f}—. {why}.',
          S.pick(['{h} sonrió y se sentó a su lado.', '{h} no estaba {h:enfadado/enfadada}. —Tenías que habérnoslo dicho —dijo en voz baja.', '—¿Eso es todo? —dijo {h}, y se echó a reír.']),
          'A la mañana siguiente, {h} contó a todos la verdad. {end}.')


def es_friend(S):
    S.par()
    S.say(S.pick(['Pero {h} tenía un problema: no tenía amigos.', 'Pero a veces {h} se sentía muy {h:solo/sola}.', '{h} acababa de llegar y todavía no conocía a nadie.']),
          '[Una tarde {wf}|Un día {wm}|Un {w2}] conoció a {f}, {f.un} [que era muy diferente|que venía de muy lejos|que hablaba una lengua extraña].',
          S.pick(['—Andas de una manera muy rara —dijo {h}. —Y tú hablas de una manera muy rara —dijo {f}. Se miraron y se echaron a reír.',
                  '{f} tenía miedo de {h}, y {h} tenía miedo de {f}. Se quedaron {hf:quietos/quietas} un buen rato.', '—Hola —dijo {h}. {f} no contestó, pero le ofreció {o.un}.']),
          S.pick(['Poco a poco, empezaron a jugar.', 'Al día siguiente se vieron otra vez, y al otro también.', 'Pronto lo compartían todo, hasta los secretos.']))
    S.par()
    S.say('{h} enseñó a {f} a [nadar|silbar|hacer barcos de papel|hornear pan], y {f} enseñó a {h} a [bailar|leer las estrellas|trepar|hacer malabares].',
          '[Los demás se reían. —¡No pegan nada! —decían.|Pero los vecinos movían la cabeza. —Qué cosa más rara —decían.|Pero {g.un} dijo: —Esa pareja nunca se llevará bien.]',
          'Entonces llegó una terrible [tormenta|inundación|nevada], y {f} [se quedó {f:atrapado/atrapada} en una roca|se perdió en la oscuridad|perdió el tejado de su casa].',
          S.pick(['{h} no lo pensó dos veces. Tomó {o2.un} y corrió a ayudar.', '{h} llamó y llamó hasta que oyó su voz.', '—¡Aguanta! —gritó {h}, y corrió bajo la lluvia.']),
          '[Al amanecer volvieron {hf:juntos/juntas}, {hf:mojados/mojadas} pero {hf:sonrientes/sonrientes}.|Toda la noche se dieron la mano, y al amanecer salió el sol.|Cuando el cielo se aclaró, {hf:los dos/las dos} estaban a salvo.]')
    S.par()
    S.say(S.pick(['Cuando los demás lo vieron, sintieron vergüenza y pidieron perdón.', 'Ahora todo el mundo quería jugar con {h} y {f}.', '{g.un} les llevó sopa y dijo: —Me equivoqué.']),
          '{h} y {f} [nunca volvieron a sentirse {hf:solos/solas}|construyeron una casita entre dos árboles|todavía comparten todas sus aventuras].')


ES_INVENTIONS = [('una máquina para atrapar sueños', 'una red, una lámpara y un reloj', 'solo atrapó moscas', 'aquella noche todos vieron sus sueños flotar como pompas de jabón'),
                 ('una bicicleta voladora', 'dos sábanas, un timbre y una escoba', 'voló hacia atrás y cayó en el estanque', 'subió por encima de los tejados y saludó a las nubes con el timbre'),
                 ('un robot que lavara los platos', 'cucharas, muelles y una bota vieja', 'rompió todos los platos', 'lavó los platos y hasta cantó mientras trabajaba'),
                 ('una máquina de hacer lluvia', 'una tetera, un ventilador y un tubo muy largo', 'solo hizo sopa', 'una lluvia suave cayó sobre los campos sedientos'),
                 ('unas botas que caminaran solas', 'cuatro muelles y mucho pegamento', 'se marcharon sin nadie dentro', 'las botas llevaban a cualquiera adonde quisiera ir'),
                 ('una lámpara de luz de luna', 'un espejo, un frasco y una gota de miel', 'atrajo a todas las polillas', 'la lámpara llenó las calles de luz de plata'),
                 ('un reloj que detuviera el tiempo', 'tres ruedas, un péndulo y una taza de té', 'solo detuvo la sopa antes de hervir', 'durante un minuto hasta las gotas de lluvia esperaron en el aire'),
                 ('un telescopio para ver el día de mañana', 'un tubo largo, dos lentes y un espejo', 'solo enseñaba el día de ayer', 'en el cristal se veía a todos riendo'),
                 ('un paraguas que supiera hablar', 'una radio, un muelle y un poco de alambre', 'solo sabía estornudar', 'el paraguas contaba chistes cada vez que llovía')]


def es_invent(S):
    inv, parts, fail, ok = S.pick(ES_INVENTIONS)
    S.e.update(inv=inv, parts=parts, fail=fail, ok=ok)
    S.par()
    S.say('{h} tenía un sueño: quería construir {inv}.', S.pick(['—Eso es imposible —decían los vecinos.', 'Todos se rieron cuando lo supieron.', '—¡Tú y tus ideas! —dijo {g.un}.']),
          'Pero {h} reunió {parts}, y trabajó [siete días|un mes entero|muchas noches].')
    S.par()
    pl = 'botas' in inv
    S.say('La primera vez, el invento falló: {fail}. {h} [suspiró|se rascó la cabeza|lo apuntó en un cuaderno] y empezó otra vez.',
          'La segunda vez, [todo explotó con un gran ruido|no pasó absolutamente nada|todo se volvió de color rosa]. [Los vecinos se rieron todavía más.|{h} se sentó en el suelo y quiso rendirse.|«A lo mejor tienen razón», pensó con tristeza.]',
          'Entonces {f}, {f.un} [que pasaba por allí|que vivía al lado|que miraba por la ventana], dijo: —[Tal vez le falta|Creo que le falta|Solo necesitas] {o.un}.',
          S.pick(['—Qué idea tan rara —dijo {h}—. ¡Vamos a probar!', '{h} abrió mucho los ojos. —¡Claro! ¿Cómo no lo había visto?', '—Peor no puede salir —se rio {h}.']))
    S.par()
    S.say('Pusieron {o.el} en su sitio y contuvieron la respiración. [¡Clic, clac, bum!|Se oyó un zumbido, un silbido y un soplo de humo.|Por un momento no pasó nada. Después empezó a temblar.]',
          '[¡Funcionaba! {ok}.|Y funcionó: {ok}.]',
          S.pick(['Todos aplaudieron, y ya nadie se reía.', '—¡Lo logramos! —gritaron a la vez {h} y {f}.', 'Hasta {g.un} lanzó su sombrero al aire.']),
          '{h} escribió dos nombres en el invento: {h} y {f}.')


ES_SEEDS = [(('f', 'semilla'), '{s:lo/la} plantó en una maceta y {s:lo/la} regó cada día', 'creció un árbol con hojas de todos los colores, y sus frutos sabían a lo que más te gustaba'),
            (('m', 'huevo'), '{s:lo/la} guardó en una cesta, cerca del fuego', 'salió un dragón diminuto, que estornudó una chispa y se quedó dormido en la cesta'),
            (('f', 'semilla'), '{s:lo/la} plantó junto a la puerta y le cantaba cada noche', 'se abrió una flor tan alta como una casa, y dentro brillaba una pequeña estrella'),
            (('m', 'huevo'), '{s:lo/la} envolvió en una manta y le contaba cuentos', 'salió un pájaro de plumas de plata que cantó la canción más bonita del mundo'),
            (('f', 'bellota'), '{s:lo/la} plantó en la colina y {s:lo/la} protegió del viento', 'creció un roble tan grande que todos los pájaros de la región vinieron a vivir en él')]


def es_seed(S):
    s, care, res = S.pick(ES_SEEDS)
    S.e.update(s=es_noun(*s), care=care, res=res)
    S.par()
    S.say('[Un {w2}|Una mañana {wf}|Una noche {wf}], {g.un} le dio a {h} {s.un} muy {s:extraño/extraña}. —[{s:Cuídalo/Cuídala} bien|Necesita cariño y tiempo|No pierdas la esperanza] —dijo {g.ese}.',
          '{h} {care}.', '[Pasó una semana, y no ocurrió nada.|Pasaban los días, y no ocurría nada.|Pasó un mes, y todo seguía igual.]')
    S.par()
    S.say(S.pick(['—Eso es solo una piedra —se rio {f}, {f.un} que vivía cerca.', '{f}, {f.un} que vivía al lado, se echó a reír. —Pierdes el tiempo.',
                  'Hasta {f}, {f.un} de buen corazón, movió la cabeza. —{s:Olvídalo/Olvídala} —le dijo.']),
          '[Pero {h} no se rindió.|{h} estaba triste, pero siguió adelante.|—Hay que esperar —respondió {h}.] [Con lluvia y con sol|Cada mañana y cada noche|Durante todo el invierno], {s:lo/la} cuidó.',
          S.pick(['Una noche muy fría, {s:lo/la} tapó con su propio abrigo.', 'Cuando llegó una tormenta, pasó toda la noche sin dormir a su lado.', 'A veces le hablaba, porque pensaba que tal vez se sentía {s:solo/sola}.']))
    S.par()
    S.say('Y entonces, [una mañana {wf}|al final del invierno|cuando nadie lo esperaba], [se oyó un suave crujido|algo se movió|apareció una pequeña luz]. Poco a poco, {res}.',
          S.pick(['{f} no podía creer lo que veía. —Perdóname —dijo—, tenías razón.', '{f} llegó corriendo. —¿Cómo lo hiciste? —preguntó. —Esperé —dijo {h}.', 'Todos los vecinos fueron a verlo, y {f} aplaudió antes que nadie.']))


ES_FEARS = [('la oscuridad', 'una cueva oscura', 'descubrió que la oscuridad estaba llena de lucecitas: eran luciérnagas'),
            ('el agua', 'el río profundo', 'descubrió que el agua {h:lo/la} sostenía como una mano grande y suave'),
            ('los truenos', 'medio de la tormenta', 'descubrió que el trueno es solo el tambor de las nubes'),
            ('las alturas', 'lo alto del árbol más grande', 'descubrió que desde allí arriba el mundo parecía un mapa precioso'),
            ('el bosque', 'medio del bosque', 'descubrió que el bosque estaba lleno de voces amigas'),
            ('las multitudes', 'medio de la multitud', 'descubrió que cada persona tenía una cara amable'),
            ('los fantasmas', 'el viejo castillo', 'descubrió que el fantasma era solo una sábana que bailaba con el viento')]


def es_fear(S):
    fear, where, disc = S.pick(ES_FEARS)
    S.e.update(where=where, disc=disc, fear=fear)
    S.par()
    S.say('Solo había una cosa que no le gustaba: a {h} le daba{pl} miedo {fear}.'.replace('{pl}', 'n' if fear.startswith(('los', 'las')) else ''),
          S.pick(['Nadie lo sabía, porque le daba vergüenza contarlo.', 'Siempre encontraba una excusa para quedarse en casa.', '']),
          'En cambio, {f}, {f.un} que vivía al lado, no tenía miedo de nada.')
    S.par()
    S.say('[Una noche {wf}|Un {w2}|Una tarde {wf}], {g.un} llegó corriendo con malas noticias. —¡{f} está en peligro, en {where}!',
          S.pick(['A {h} le empezaron a temblar las rodillas.', '{h} se puso {h:blanco/blanca} como la leche.', '{h} quiso esconderse debajo de la cama.']),
          S.pick(['Pero no había nadie más que pudiera ayudar.', '«Si no voy yo, ¿quién irá?», pensó.', 'Pero {f} necesitaba ayuda.']), 'Tomó {o.un}, respiró hondo y fue.')
    S.par()
    S.say('—{f}, ¿dónde estás? —llamó. —¡Aquí! —respondió una vocecita.', S.pick(['Paso a paso, {h} se acercó.', '{h} cantó una canción para tranquilizarse.', '{h} contó sus pasos: uno, dos, tres.']),
          'Y entonces {disc}. [¡No era tan terrible!|{h} casi sonrió.|Todavía tenía miedo, pero solo un poco.]',
          S.pick(['Encontró a {f} y le dio la mano, y volvieron {hf:juntos/juntas} a casa.', 'Con {o.el}, consiguió liberar a {f}.', 'Ató una cuerda a una roca y sacó a {f} de allí.']),
          S.pick(['—Eres {h:el/la} {h.kind} más valiente que conozco —dijo {f}.', '—¿No tenías miedo? —preguntó {f}. —Mucho —dijo {h}—, pero vine.']))


def es_wish(S):
    S.par()
    S.say(S.pick(['Una noche {wf}, una estrella cayó en su jardín. —Ayúdame a volver al cielo —dijo—, y te daré un deseo.',
                  '[Una mañana {wf}|Un {w2}], {h} encontró un pez dorado atrapado en una red. —Suéltame —dijo el pez—, y te daré un deseo.',
                  '[Una tarde {wf}|Un {w2}], {h} frotó una lámpara vieja, y salió un genio muy pequeño. —Solo puedo darte un deseo —dijo.']),
          '[{h} pensó en muchas cosas:|¿Qué podía pedir? Pensó en] {o.un}, una montaña de dulces o un castillo con cien habitaciones.', '—Tengo que pensarlo —dijo {h}.')
    S.par()
    sad, happy = S.pick([('no tenía casa para el invierno', 'apareció una casita caliente, con humo en la chimenea'), ('llevaba mucho tiempo {f:enfermo/enferma}', '{f} saltó de la cama y se puso a bailar'),
                         ('había perdido a su familia en una tormenta', 'la familia de {f} llegó por el camino, cantando'), ('no había comido en dos días', 'apareció una mesa llena de pan, queso y sopa'),
                         ('ya no podía ver los colores', '{f} abrió los ojos y vio el rojo de las rosas')])
    S.e.update(sad=sad, happy=happy)
    S.say('Por el camino encontró a {f}, {f.un} que {sad}. [{f} no se quejaba, pero tenía los ojos tristes.|—Estaré bien —dijo {f}, intentando sonreír.|{f} estaba {f:solo/sola} en un banco.]',
          '{h} miró a {f} y [se olvidó del castillo|supo lo que tenía que hacer|no necesitó pensar más]. —Deseo ayudar a {f} —dijo.', 'Hubo [un destello de luz|un sonido de campanas|un olor a canela], y {happy}.')
    S.par()
    S.say(S.pick(['—Podías haber pedido cualquier cosa —dijo {g.un} que lo había visto todo. —Eso hice —respondió {h}.', '—¿Y tú? —preguntó {f}—. Ahora no tienes nada. —Tengo tu amistad —dijo {h}.',
                  '{f} le dio un abrazo muy largo y no pudo hablar.']),
          S.pick(['Al día siguiente, delante de su puerta había {o.un} con una nota: «Para un buen corazón».', 'Aquella noche, las estrellas brillaron más que nunca sobre su casa.', 'Desde entonces, {h} y {f} cenan {hf:juntos/juntas} todos los {w2s}.']))


def es_voyage(S):
    S.par()
    S.e['isle'] = S.pick(['la isla de las tortugas que hablan', 'la ciudad de cristal', 'el lugar donde duerme el sol', 'la isla de las mil campanas', 'la tierra de las fresas gigantes'])
    S.say('[Un día {wm}|Un {w2}|Una mañana {wf}], {h} encontró {o.un} con una pequeña nota que decía: «Busca {isle}».',
          S.pick(['{h} nunca había viajado tan lejos, pero construyó un barquito y zarpó.', '—Eso no existe —dijo {g.un}. Pero {h} ya estaba izando la vela.', 'Esa misma noche, {h} preparó pan, queso y una manta, y se marchó en globo.']))
    S.par()
    S.say('[Al tercer día|A medianoche|Cuando ya no se veía tierra], [llegó una tormenta terrible|se levantaron olas enormes|el cielo se volvió negro].',
          S.pick(['—¡Socorro! —gritó una voz. Era {f}, {f.un} que se agarraba a una tabla. {h} le lanzó una cuerda y {f:lo/la} subió.',
                  'En medio de la tormenta encontró a {f}, {f.un} que también se había perdido. —Dos pueden más que uno —dijo {f}.']),
          S.pick(['Sujetaron {hf:juntos/juntas} el timón hasta que el mar se calmó.', 'Cantaron tan fuerte como pudieron, y la tormenta se cansó.', 'Una ballena amable oyó sus voces y les prestó su lomo.']),
          '[Por la mañana|Al amanecer|Siete días después] apareció ante sus ojos {isle}.')
    S.par()
    S.say(S.pick(['La gente del lugar salió a recibirles con tambores y fruta dulce, y bailaron hasta quedarse {hf:dormidos/dormidas}.'.replace('recibirles', 'saludar'), 'Era todavía más bonito que en los cuentos, y se quedaron allí un mes entero.'.replace('bonito', 'hermoso'), 'Allí no encontraron oro, pero aprendieron tres canciones nuevas y un secreto.']),
          S.pick(['Cuando {h} volvió a casa, contó la historia tantas veces que todos la sabían de memoria.', 'Al final {h} echó de menos su cama, y volvió a casa con {f}.', '{h} volvió con {o.el}, una nueva amistad y arena en los zapatos.']))


def es_lie(S):
    S.par()
    S.say(S.pick(['Un {w2}, {h} estaba jugando dentro de casa y rompió {o.un} que era {g.del}.', '{g.un} le prestó a {h} {o.un}, y {h} {o:lo/la} perdió el primer día.', 'Una tarde {wf}, {h} tomó sin permiso {o.un} que era {g.del}, y se le cayó al río.']),
          '—[¿Qué ha pasado con {o.el}?|¿Dónde está {o.el}?|¿Has visto {o.el}?] —preguntó {g.ese}.',
          S.pick(['—Ha sido {f} —dijo {h}, y se le pusieron rojas las orejas.', '—Creo que lo tiene {f} —mintió {h}.'.replace('lo tiene', '{o:lo/la} tiene'), '—A lo mejor lo sabe {f} —dijo {h}, sin levantar la vista.']))
    S.par()
    S.say('¡{f:Pobre/Pobre} {f}! Era {f.un} que no había hecho nada malo. [Ya nadie quería jugar con {f.pron}.|Todos {f:lo/la} miraban de una manera extraña.|Se sentó {f:solo/sola} junto a la fuente y lloró.]'.replace('{f:Pobre/Pobre}', 'Pobre'),
          'Aquella noche, {h} no podía dormir. [La mentira pesaba como una piedra.|Daba vueltas y vueltas en la cama.|Hasta la luna parecía mirar{h:lo/la}.]',
          S.pick(['«Tengo que decir la verdad», pensó.', '—Mañana lo arreglaré —le dijo a su almohada.', 'Al final se levantó y se puso los zapatos.']))
    S.par()
    S.say('[A la mañana siguiente|Al salir el sol|Antes del desayuno], {h} fue a hablar con {g.ese}. —Fui yo —dijo—. [Lo siento mucho|Perdóname, por favor|Tenía miedo].',
          S.pick(['{g.ese} guardó silencio un momento y luego sonrió. —Gracias por contármelo.', '—Una cosa rota se puede arreglar —dijo {g.ese}—, y una mentira también.', '{g.ese} le dio un abrazo muy largo.']),
          S.pick(['Después {h} pidió perdón a {f}, y {f} dijo que sí.', '{h} y {f} trabajaron {hf:juntos/juntas} toda la semana para hacer {o:otro/otra}.', '{h} regaló a {f} {o2.un} y la mitad de su pastel, y volvieron a jugar como antes.']))


def es_king(S):
    S.par()
    S.e['q'], S.e['aq'] = S.pick([('el rey', 'al rey'), ('la reina', 'a la reina'), ('el emperador', 'al emperador'), ('la emperatriz', 'a la emperatriz')])
    S.say('En aquel país, {q} siempre estaba [de mal humor|con cara de aburrimiento|muy triste]. —Quien me haga reír —dijo—, podrá pedir lo que quiera.'.replace('reír —dijo—,', 'reír —dijo—'),
          S.pick(['Llegaron payasos, cantantes y magos de todas partes, pero nada funcionó.', 'Cien personas lo intentaron, y cien personas fracasaron.', '{f}, {f.un} que presumía mucho, hizo malabares con nueve naranjas, pero {q} solo bostezó.']),
          S.pick(['{h} no sabía ningún truco, pero fue al palacio con {o.un}.', '—Lo intentaré —dijo {h}. Tomó {o.un} y llamó a la puerta dorada.', '{h} no quería oro. Solo quería ayudar {aq}.']))
    S.par()
    S.say('[Cuando llegó su turno|Delante del trono|En la puerta del gran salón], {h} [resbaló en el suelo brillante|estornudó tan fuerte que se apagaron las velas|se enredó en la cortina] [y cayó en un plato de sopa|y acabó con una maceta en la cabeza|y rodó hasta el trono].',
          'Hubo un largo silencio. [Entonces {q} hizo un ruidito, como un ratón.|Entonces la corona empezó a temblar.|Los guardias contuvieron la respiración.] Y de pronto {q} se rio y se rio, hasta que temblaron las ventanas.',
          '—[Pide lo que quieras|Dime tu deseo|Te daré lo que me pidas] —dijo {q}, secándose una lágrima.')
    S.par()
    S.say(S.pick(['—Quiero que venga a merendar conmigo —dijo {h}. Y {q} fue a su casa todos los {w2s}.', '—Quiero una fiesta para todos —dijo {h}. Y la música duró tres días.', '—Quiero su amistad —dijo {h}. Nadie había pedido nunca una cosa así.']),
          S.pick(['Desde entonces, las puertas del palacio están siempre abiertas.', 'Desde entonces, {q} pasea por las calles y saluda a todo el mundo.', 'Y en el trono, en lugar de oro, ahora hay {o.un}.']))


def es_end(S, plot):
    S.e['moral'] = S.pick(ES_MORALS[plot])
    if S.r.random() < 0.8:
        S.say(S.pick(['{h} aprendió que {moral}.', 'Y así {h} aprendió que {moral}.', 'Aquel día, todos comprendieron que {moral}.', 'Y {h} nunca olvidó que {moral}.', 'Como dijo una vez {g.un}, {moral}.', 'Porque {moral}.']))
    S.maybe(0.35, S.pick(['Fin.', 'Y vivieron felices para siempre.', 'Y si pasas por allí algún día, todavía podrás oír a {h} contar esta historia.', 'Y colorín colorado, este cuento se ha acabado.', 'Y esa noche, {h} durmió con una sonrisa.']))


# ------------------------------------------------------------------------------------------------ entry

def _slot_es(self, k, _base=Story.slot):
    # {hf:..} agrees with hero and friend together
    if k.startswith('hf:'):
        m, f = k[3:].split('/')
        return f if self.e['h'].gender == self.e['f'].gender == 'f' else m
    return _base(self, k)


Story.slot = _slot_es


def story(rng, lang=None):
    """One story; the language is picked at random unless it is given."""
    lang = lang or rng.choice(['en', 'es'])
    return en_story(rng) if lang == 'en' else es_story(rng)


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('-n', type=int, default=4)
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--lang', choices=['en', 'es'])
    a = ap.parse_args()
    r = random.Random(a.seed)
    for _ in range(a.n):
        print(story(r, a.lang) + '\n\n' + '-' * 20)
