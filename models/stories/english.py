"""Stories in English: words, plots and their ends."""
from .grammar import Entity, Story, a_name

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
    name = a_name(rng, g, EN_GIRLS if g == 'f' else EN_BOYS, used)
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
