#!/usr/bin/env python3
"""The conversations that the bundled model learns from: requests, short tales that follow them, and small talk.

  python chat.py [-n 4] [--seed 1] [--lang en|es]         prints conversations
  from chat import conversation, render; render(conversation(random.Random(7), 'es'))

A tale is a plan (hero, trait, name, place, object, helper, plot) told in either language, so that the answer keeps what
the request named, and later turns can ask about it. The template language is that of stories/grammar.py.
"""
import argparse
import random
import re
import zlib

from stories.english import EN_BOYS, EN_GIRLS, EN_RIDDLES, EN_WEATHER, a_an, en_thing
from stories.grammar import Entity, Story, capitals, made_up_name
from stories.spanish import ES_BOYS, ES_GIRLS, ES_RIDDLES, ES_WEATHER, es_noun

# ------------------------------------------------------------------------------------------------ words, in both languages

# English masculine, feminine; Spanish masculine, feminine ('' where the language has no such word).
KINDS = [k.split('/') for k in '''cat/cat/gato/gata dog/dog/perro/perra fox/fox/zorro/zorra mouse/mouse/ratón/ratona rabbit/rabbit/conejo/coneja bear/bear/oso/osa
owl/owl/búho/lechuza duck/duck/pato/pata hedgehog/hedgehog/erizo/ frog/frog//rana donkey/donkey/burro/burra puppy/puppy/cachorro/cachorra bee/bee//abeja
otter/otter//nutria dragon/dragon/dragón/dragona robot/robot/robot/ penguin/penguin/pingüino/ elephant/elephant/elefante/elefanta giraffe/giraffe//jirafa
goat/goat//cabra wolf/wolf/lobo/loba turtle/turtle//tortuga squirrel/squirrel//ardilla beaver/beaver/castor/ parrot/parrot/loro/ kangaroo/kangaroo/canguro/
lion/lion/león/leona tiger/tiger/tigre/tigresa crab/crab/cangrejo/ unicorn/unicorn/unicornio/ hamster/hamster/hámster/ camel/camel/camello/ llama/llama//llama
monster/monster/monstruo/ snail/snail/caracol/ horse/horse/caballo/ cow/cow//vaca pig/pig/cerdo/cerda sheep/sheep//oveja ant/ant//hormiga
butterfly/butterfly//mariposa hen/hen//gallina bird/bird/pájaro/ fish/fish/pez/ monkey/monkey/mono/mona zebra/zebra//cebra kitten/kitten/gatito/gatita
crow/crow/cuervo/ seal/seal//foca toad/toad/sapo/ ghost/ghost/fantasma/ giant/giant/gigante/giganta mole/mole/topo/ snowman/snowman/muñeco/muñeca
boy/girl/niño/niña boy/girl/niño/niña boy/girl/niño/niña boy/girl/chico/chica baker/baker/panadero/panadera fisherman/fisherwoman/pescador/pescadora
gardener/gardener/jardinero/jardinera painter/painter/pintor/pintora sailor/sailor/marinero/marinera tailor/tailor/sastre/modista cook/cook/cocinero/cocinera
prince/princess/príncipe/princesa king/queen/rey/reina knight/knight/caballero/ pirate/pirate/pirata/pirata astronaut/astronaut/astronauta/astronauta
wizard/witch/mago/bruja shepherd/shepherdess/pastor/pastora farmer/farmer/granjero/granjera teacher/teacher/maestro/maestra'''.split()]
NEW_KINDS = [k.split('/') for k in '''panda/panda/panda/ dinosaur/dinosaur/dinosaurio/ whale/whale//ballena swan/swan/cisne/ dolphin/dolphin/delfín/ doctor/doctor/médico/médica
bat/bat/murciélago/ singer/singer/cantante/cantante'''.split()]  # never in training: for evaluate.py
PEOPLE = 54  # the kinds from here on are people
TRAITS = [t.split('/') for t in '''curious/curioso/curiosa brave/valiente/valiente brave/valiente/valiente shy/tímido/tímida cheerful/alegre/alegre patient/paciente/paciente
stubborn/terco/terca kind/amable/amable clever/listo/lista quiet/callado/callada clumsy/torpe/torpe dreamy/soñador/soñadora generous/generoso/generosa lazy/perezoso/perezosa
happy/feliz/feliz sad/triste/triste old/viejo/vieja young/joven/joven little/pequeño/pequeña small/pequeño/pequeña lonely/solitario/solitaria hungry/hambriento/hambrienta
tiny/diminuto/diminuta friendly/simpático/simpática sleepy/dormilón/dormilona white/blanco/blanca black/negro/negra gray/gris/gris'''.split()]
PLACES = [p.split('/') for p in '''in a small village by the sea/en un pueblo junto al mar
in a quiet town at the foot of a mountain/en un pueblo tranquilo al pie de una montaña
at the edge of a great forest/al borde de un gran bosque
on a sunny island/en una isla llena de sol
in a valley full of apple trees/en un valle lleno de manzanos
on a farm beside a slow river/en una granja junto a un río lento
in a harbor full of colorful boats/en un puerto lleno de barcos de colores
in a castle with a hundred towers/en un castillo de cien torres
on a small planet full of volcanoes/en un pequeño planeta lleno de volcanes
in a big noisy city/en una ciudad grande y ruidosa
in a house made of old books/en una casa hecha de libros viejos
near a lake as round as a coin/cerca de un lago redondo como una moneda
on top of a windy hill/en lo alto de una colina con mucho viento
in the forest/en el bosque
by the sea/junto al mar
in the mountains/en las montañas
in a castle/en un castillo
on the moon/en la luna
on a farm/en una granja
in a garden/en un jardín'''.split('\n')]
# English; Spanish gender, noun, rest.
OBJECTS = [o.split('/') for o in '''silver key/f/llave/de plata
key/f/llave/
golden key/f/llave/dorada
red kite/f/cometa/roja
wooden flute/f/flauta/de madera
golden compass/f/brújula/dorada
blue lantern/m/farol/azul
old map/m/mapa/antiguo
map/m/mapa/
treasure/m/tesoro/
music box/f/caja/de música
green scarf/f/bufanda/verde
copper bell/f/campana/de cobre
glass marble/f/canica/de cristal
striped umbrella/m/paraguas/de rayas
paper boat/m/barco/de papel
velvet hat/m/sombrero/de terciopelo
hat/m/sombrero/
silver whistle/m/silbato/de plata
magic brush/m/pincel/mágico
little drum/m/tambor/pequeño
pocket watch/m/reloj/de bolsillo
woolen blanket/f/manta/de lana
silver spoon/f/cuchara/de plata
golden feather/f/pluma/dorada
old violin/m/violín/viejo
crystal ball/f/bola/de cristal
wooden horse/m/caballo/de madera
thick book/m/libro/muy gordo
book/m/libro/
purple balloon/m/globo/morado
red balloon/m/globo/rojo
ball/f/pelota/
ring/m/anillo/
golden ring/m/anillo/dorado
magic lamp/f/lámpara/mágica
letter/f/carta/'''.split('\n')]
HELPERS = [h.split('/') for h in '''old/viejo/vieja old/viejo/vieja little/pequeño/pequeña wise/sabio/sabia sleepy/dormilón/dormilona friendly/simpático/simpática tired/cansado/cansada
shy/tímido/tímida grumpy/gruñón/gruñona white/blanco/blanca'''.split()]
FEARS = [('the dark', 'la oscuridad', ''), ('the water', 'el agua', ''), ('thunder', 'los truenos', 'n'), ('heights', 'las alturas', 'n'), ('the forest', 'el bosque', ''),
         ('ghosts', 'los fantasmas', 'n')]


def held_out(kind, trait):
    """Pairs of hero and trait that training never sees: a tenth."""
    return zlib.crc32(f'{KINDS[kind][0]} {TRAITS[trait][0]}'.encode()) % 10 == 0 if kind < len(KINDS) else False


# ------------------------------------------------------------------------------------------------ plots

TALES = {'en': {
    'find': [['[{one} morning|{one} day|One {w2}], {h} found {o.a} [under a tree|by the river|on the road|in the grass]. "[Whose is this|Who has lost it]?" said {h}.'],
             ['{h} asked everyone, and at last {h.he} met {g.a}. "It is mine!" said {g.the}. "I have looked for it everywhere."', '{h} gave back {o.the}, and {g.the} [smiled|danced for joy|gave {h.him} a hug].',
              'From that day on, {h} and {g.the} were [good|best] friends.']],
    'lost': [['{h} had {o.a} that {h.he} loved very much. [{one} morning|{one} day|One {w2}], {o.the} was gone! "Where can it be?" cried {h}.'],
             ['{h} looked [under the bed|in the garden|behind the door|by the river], but it was not there. Then {g.a} came along. "Two can search better than one," said {g.the}.',
              'Together they found {o.the} [on the roof|at the top of a tree|inside an old boot|behind the stove]. "You are a true friend!" said {h}.']],
    'friend': [['But {h} had no friends, and sometimes {h.he} felt very lonely. [{one} morning|{one} day|One {w2}], {h.he} met {g.a} who was [lost|crying|cold and hungry].'],
               ['"[Do not be afraid|Come home with me|I will help you]," said {h}. {h} gave {g.the} [warm soup|a piece of bread|a soft blanket], and they [talked until the moon came out|laughed all evening].',
                'Now {h} is never alone, because {g.the} comes to visit {h.him} every day.']],
    'fear': [['{h} had one secret: {h.he} was afraid of {fear}. {one} night, {h} heard a voice. "Help!" It was {g.a} who had fallen into [a well|a deep hole|the river].'],
             ['{h} was trembling, but {h.he} took {o.a} and went. Step by step, {h.he} came closer. "Here I am," said {h}, and {h.he} pulled {g.the} out.',
              '"You are the bravest {h.kind} I know," said {g.the}. And {h} was never afraid of {fear} again.']],
    'star': [['{one} night, a small star fell into the garden of {h}. "I want to go home," said the star, and it [cried|sighed].'],
             ['To make it happy, {h} showed it {o.a}. The star laughed so much that it became as light as a feather and flew back into the sky. "Well done," said {g.a} who had seen it all.',
              'Since then, a star [winks|shines] over the house of {h} every night.']],
    'gift': [['It was the birthday of {g.a}, the best friend of {h}. But {h} had no money for a gift. {h.he} only had {o.a}, and {h.he} loved it very much.'],
             ['{h} thought all night. In the morning, {h.he} wrapped {o.the} in [red|yellow|blue] paper and took it to {g.the}. "It is the best gift in the world," said {g.the}. "[Let us share it|Now it belongs to both of us]."',
              'And they [played|laughed|danced] until the sun went down.']],
    'storm': [['{one} night, a great storm came. Somebody knocked at the door. It was {g.a}, wet and cold. "May I come in?" asked {g.the}.'],
              ['The house of {h} was very small, but {h.he} opened the door. They ate hot soup, and {h} [told a story|sang a song|told three jokes] until the storm grew tired.',
               'In the morning the sun came out, and in front of the door was {o.a} with a note: "For a good heart."']],
    'race': [['[{one} day|One {w2}], there was a great race, and the prize was {o.a}. "I am faster than you," said {g.a}, and laughed.'],
             ['{h} ran as fast as {h.he} could. But near the end {g.the} fell and began to cry. {h} stopped. "Lean on me," {h.he} said, and they crossed the line together.',
              'So the prize was for both of them: one week {h} has {o.the}, and the next week {g.the} has it.']],
    'seed': [['[{one} morning|{one} day|One {w2}], {g.a} gave {h} a tiny seed. "It needs love and time," said {g.the}. {h} planted it and watered it every day.'],
             ['A week passed, and nothing happened. A month passed, and still nothing. But {h} did not give up. {h.he} sang to it every night.',
              'And one morning there was a tree full of golden apples! {h} gave the first apple to {g.the}, and it was the sweetest in the world.']],
    'voyage': [['[{one} morning|{one} day|One {w2}], {h} looked at the sea. "I want to know what is on the other side," said {h}, and {h.he} built a small boat. {g.a} wanted to come too.'],
               ['They sailed for three days and three nights. [A big wave came, but they sang until it went away.|A storm came, but a kind whale carried them.] At last they came to an island where [the trees could talk|the sun sleeps|it rained sweets], and there they found {o.a}.',
                'When they came home, they told everyone, and {o.the} still hangs over the door of {h}.']],
    'dream': [['{one} night, {h} could not sleep. {h.he} counted the stars, but there were too many. {h.he} counted {h.his} toes, but there were too few.'],
              ['"What are you doing?" asked {g.a} at the window. "I cannot sleep," said {h}. "Then listen," said {g.the}, and sang a soft song about {o.a} and the moon.',
               '{h} closed one eye, and then the other. Good night, {h}.']],
    'cake': [['[{one} morning|{one} day|One {w2}], {h} baked a [honey|lemon|chocolate] cake as big as a wheel. It smelled so good that {g.a} came to the door. "May I have a piece?" asked {g.the}.'],
             ['Then the neighbors came, and then the whole street. {h} gave a piece to everyone, and at the end there was nothing left for {h.him}.',
              'But {g.the} had kept half a piece. "It is for you," said {g.the}. And to {h} it tasted better than a whole cake.']],
}, 'es': {
    'find': [['[Una mañana {wf}|Un día {wm}|Un {w2}], {h} encontró {o.un} [debajo de un árbol|junto al río|en el camino|entre la hierba]. —¿De quién será? —dijo {h}.'],
             ['{h} preguntó a todo el mundo, y al final encontró a {g.un}. —¡{o:Es mío/Es mía}! —dijo {g.ese}—. {o:Lo/La} busqué por todas partes.', '{h} le devolvió {o.el}, y {g.ese} [sonrió|bailó de alegría|le dio un abrazo].',
              'Desde aquel día, {h} y {g.ese} fueron grandes {hg:amigos/amigas}.']],
    'lost': [['{h} tenía {o.un} que le gustaba mucho. [Una mañana {wf}|Un día {wm}|Un {w2}], ¡{o.el} no estaba! —¿Dónde estará? —gritó {h}.'],
             ['{h} buscó [debajo de la cama|en el jardín|detrás de la puerta|junto al río], pero no estaba. Entonces llegó {g.un}. —Dos buscan mejor que uno —dijo {g.ese}.',
              '{hg:Juntos/Juntas} encontraron {o.el} [en el tejado|en lo alto de un árbol|dentro de una bota vieja|detrás de la estufa]. —¡Gracias de corazón! —dijo {h}.']],
    'friend': [['Pero {h} no tenía amigos, y a veces se sentía muy {h:solo/sola}. [Una mañana {wf}|Un día {wm}|Un {w2}], encontró a {g.un} que [se había perdido|lloraba|tenía hambre y frío].'],
               ['—[No tengas miedo|Ven a mi casa|Yo te ayudaré] —dijo {h}. {h} le dio [sopa caliente|un trozo de pan|una manta suave], y [hablaron hasta que salió la luna|se rieron toda la tarde].',
                'Ahora {h} nunca está {h:solo/sola}, porque {g.ese} viene a verl{h:o/a} todos los días.']],
    'fear': [['{h} tenía un secreto: le daba{pl} miedo {fear}. Una noche {wf}, {h} oyó una voz. —¡Socorro! Era {g.un} que se había caído en [un pozo|un agujero muy hondo|el río].'],
             ['{h} temblaba, pero tomó {o.un} y fue. Paso a paso, se acercó. —Aquí estoy —dijo {h}, y sacó {g.al} de allí.',
              '—Eres {h:el/la} {h.kind} más valiente que conozco —dijo {g.ese}. Y {h} nunca más tuvo miedo a {fear}.']],
    'star': [['Una noche {wf}, una pequeña estrella cayó en el jardín de {h}. —Quiero volver a casa —dijo la estrella, y [lloró|suspiró].'],
             ['Para alegrarla, {h} le enseñó {o.un}. La estrella se rio tanto que se hizo ligera como una pluma y volvió volando al cielo. —Bien hecho —dijo {g.un} que lo había visto todo.',
              'Desde entonces, una estrella [brilla|guiña un ojo] cada noche sobre la casa de {h}.']],
    'gift': [['Era el cumpleaños de {g.un}, {g:el mejor amigo/la mejor amiga} de {h}. Pero {h} no tenía dinero para un regalo. Solo tenía {o.un}, y le gustaba mucho.'],
             ['{h} pensó toda la noche. Por la mañana, envolvió {o.el} en papel [rojo|amarillo|azul] y se {o:lo/la} llevó {g.al}. —Es el mejor regalo del mundo —dijo {g.ese}—. [Vamos a compartir{o:lo/la}|Ahora es de los dos].',
              'Y [jugaron|se rieron|bailaron] hasta que se puso el sol.']],
    'storm': [['Una noche {wf}, llegó una gran tormenta. Alguien llamó a la puerta. Era {g.un}, con mucho frío. —¿Puedo entrar? —preguntó {g.ese}.'],
              ['La casa de {h} era muy pequeña, pero abrió la puerta. Comieron sopa caliente, y {h} [contó un cuento|cantó una canción|contó tres chistes] hasta que la tormenta se cansó.',
               'Por la mañana salió el sol, y delante de la puerta había {o.un} con una nota: «Para un buen corazón».']],
    'race': [['[Un día {wm}|Un {w2}], hubo una gran carrera, y el premio era {o.un}. —Yo corro más que tú —dijo {g.un}, y se echó a reír.'],
             ['{h} corrió tanto como pudo. Pero cerca del final {g.ese} se cayó y empezó a llorar. {h} se paró. —Apóyate en mí —dijo, y llegaron {hg:juntos/juntas} a la meta.',
              'Así que el premio fue para los dos: una semana {o:lo/la} tiene {h}, y la otra semana {o:lo/la} tiene {g.ese}.']],
    'seed': [['[Una mañana {wf}|Un día {wm}|Un {w2}], {g.un} le dio a {h} una pequeña semilla. —Necesita cariño y tiempo —dijo {g.ese}. {h} la plantó y la regó cada día.'],
             ['Pasó una semana, y no ocurrió nada. Pasó un mes, y tampoco. Pero {h} no se rindió. Le cantaba cada noche.',
              '¡Y una mañana había un árbol lleno de manzanas de oro! {h} le dio la primera manzana {g.al}, y era la más dulce del mundo.']],
    'voyage': [['[Una mañana {wf}|Un día {wm}|Un {w2}], {h} miró el mar. —Quiero saber qué hay al otro lado —dijo {h}, y construyó un barquito. {g.un} también quiso ir.'],
               ['Navegaron tres días y tres noches. [Llegó una ola enorme, pero cantaron hasta que se marchó.|Llegó una tormenta, pero una ballena amable les ayudó.] Por fin llegaron a una isla donde [los árboles hablaban|duerme el sol|llovían caramelos], y allí encontraron {o.un}.',
                'Cuando volvieron a casa, lo contaron a todos, y {o.el} todavía cuelga sobre la puerta de {h}.']],
    'dream': [['Una noche {wf}, {h} no podía dormir. Contó las estrellas, pero eran demasiadas. Contó los dedos de sus pies, pero eran muy pocos.'],
              ['—¿Qué haces? —preguntó {g.un} en la ventana. —No puedo dormir —dijo {h}. —Entonces escucha —dijo {g.ese}, y cantó una canción suave sobre {o.un} y la luna.',
               '{h} cerró un ojo, y después el otro. Buenas noches, {h}.']],
    'cake': [['[Una mañana {wf}|Un día {wm}|Un {w2}], {h} hizo un pastel de [miel|limón|chocolate] tan grande como una rueda. Olía tan bien que {g.un} llamó a la puerta. —¿Me das un trozo? —preguntó {g.ese}.'],
             ['Después llegaron los vecinos, y después toda la calle. {h} dio un trozo a cada uno, y al final no quedó nada para {h.pron}.',
              'Pero {g.ese} había guardado medio trozo. —Es para ti —dijo {g.ese}. Y a {h} le supo mejor que un pastel entero.']],
}}
WITHOUT_OBJECT = ('friend', 'seed', 'cake')
# The tale in one sentence after the hero's name: "Mia found a silver key, ..."
SHORT = {'en': {
    'find': 'found {o.a}, gave it back to {g.a}, and won a friend', 'lost': 'lost {o.a}, and {g.a} helped to find it', 'friend': 'met {g.a} and was never lonely again',
    'fear': 'was afraid of {fear}, but saved {g.a}', 'star': 'made a fallen star laugh with {o.a}, and it flew home', 'gift': 'gave {o.a} to {g.a}, and they shared it',
    'storm': 'opened the door to {g.a} in a storm, and got {o.a}', 'race': 'helped {g.a} in a race, and they shared {o.a}', 'seed': 'planted a seed from {g.a}, and golden apples grew',
    'voyage': 'sailed the sea with {g.a} and found {o.a}', 'dream': 'could not sleep, until {g.a} sang a soft song', 'cake': 'gave away a whole cake, and {g.a} kept the last piece'}, 'es': {
    'find': 'encontró {o.un}, se {o:lo/la} devolvió a {g.un} y ganó una amistad', 'lost': 'perdió {o.un}, y {g.un} ayudó a encontrar{o:lo/la}', 'friend': 'encontró a {g.un} y nunca más se sintió {h:solo/sola}',
    'fear': 'tenía miedo, pero salvó a {g.un}', 'star': 'hizo reír a una estrella con {o.un}, y la estrella volvió al cielo', 'gift': 'le regaló {o.un} a {g.un}, y {o:lo/la} compartieron',
    'storm': 'abrió la puerta a {g.un} en la tormenta y recibió {o.un}', 'race': 'ayudó a {g.un} en una carrera, y compartieron {o.un}', 'seed': 'plantó una semilla de {g.un}, y crecieron manzanas de oro',
    'voyage': 'cruzó el mar con {g.un} y encontró {o.un}', 'dream': 'no podía dormir, hasta que {g.un} cantó una canción', 'cake': 'repartió un pastel entero, y {g.un} guardó el último trozo'}}
MORALS = {'en': {
    'find': 'an honest heart finds friends', 'lost': 'a good friend is worth more than any treasure', 'friend': 'a friend is a home you can carry with you', 'fear': 'being brave does not mean having no fear',
    'star': 'laughter makes us light', 'gift': 'what we share is never really lost', 'storm': 'a small house is big enough for a friend', 'race': 'it is better to help than to win', 'seed': 'good things take time',
    'voyage': 'the sea is big, but a friend makes it small', 'dream': 'a soft song is better than counting', 'cake': 'the best cake is the one we share'}, 'es': {
    'find': 'un corazón honrado encuentra amigos', 'lost': 'un buen amigo vale más que cualquier tesoro', 'friend': 'la amistad es una casa que llevamos con nosotros', 'fear': 'ser valiente no es no tener miedo',
    'star': 'la risa nos hace ligeros', 'gift': 'lo que se comparte nunca se pierde', 'storm': 'en una casa pequeña siempre cabe un amigo', 'race': 'es mejor ayudar que ganar', 'seed': 'las cosas buenas necesitan tiempo',
    'voyage': 'el mar es grande, pero la amistad lo hace pequeño', 'dream': 'una canción suave es mejor que contar', 'cake': 'el mejor pastel es el que se comparte'}}
# What a request adds to the hero, so that the tale is of that plot.
WHO = {'en': {
    'find': 'who finds {o.a}', 'lost': 'who loses {o.a}', 'friend': '[who is looking for a friend|who has no friends|who needs a friend]', 'fear': 'who is afraid of {fear}',
    'star': '[and a star|who finds a star|and a fallen star]', 'gift': 'who has no gift', 'storm': '[in a storm|and a storm]', 'race': '[who runs a race|in a race]', 'seed': '[who plants a seed|and a seed|and a tree]',
    'voyage': '[who crosses the sea|who travels far away|who builds a boat]', 'dream': "[who can't sleep|who cannot sleep]", 'cake': '[who bakes a cake|and a cake]'}, 'es': {
    'find': 'que encuentra {o.un}', 'lost': 'que pierde {o.un}', 'friend': '[que busca un amigo|que no tiene amigos|que necesita un amigo]', 'fear': 'que tiene miedo a {fear}',
    'star': '[y una estrella|que encuentra una estrella]', 'gift': 'que no tiene regalo', 'storm': '[en una tormenta|y una tormenta]', 'race': '[que corre una carrera|en una carrera]', 'seed': '[que planta una semilla|y una semilla|y un árbol]',
    'voyage': '[que cruza el mar|que viaja muy lejos|que construye un barco]', 'dream': 'que no puede dormir', 'cake': '[que hace un pastel|y un pastel]'}}
TOPICS = {'en': {'lost': 'something lost', 'friend': '[friendship|a friend|friends]', 'fear': '[courage|being brave|fear]', 'star': '[a star|the stars|the night sky]', 'gift': '[a birthday|a gift|a present]', 'storm': '[a storm|the rain]',
                 'race': '[a race|sports]', 'seed': '[a tree|a seed|patience]', 'voyage': '[the sea|a journey|a boat|an island|an adventure]', 'dream': '[sleep|the night|bedtime]', 'cake': '[a cake|food]', 'find': '[honesty|{o.a}|{o.a}]'},
          'es': {'lost': 'algo perdido', 'friend': '[la amistad|los amigos]', 'fear': '[el valor|el miedo]', 'star': '[una estrella|las estrellas|el cielo]', 'gift': '[un cumpleaños|un regalo]', 'storm': '[una tormenta|la lluvia]',
                 'race': 'una carrera', 'seed': '[un árbol|una semilla|la paciencia]', 'voyage': '[el mar|un viaje|un barco|una isla|una aventura]', 'dream': '[la noche|el sueño]', 'cake': '[un pastel|la comida]', 'find': '[la honradez|{o.un}|{o.un}]'}}
OPENINGS = {'en': ['Once upon a time, there was {who} named {h} who lived {in}.', 'Once upon a time, {in}, there lived {who} named {h}.', 'There was once {who} named {h} who lived {in}.'],
            'es': ['Había una vez {who} que se llamaba {h} y que vivía {in}.', 'Había una vez, {in}, {who} que se llamaba {h}.', 'Érase una vez {who} que vivía {in}. Se llamaba {h}.']}


class Plan:
    """What a tale is about, in no language yet; `given` is what the request names."""

    def __init__(self, r, lang, kinds=None, evaluation=False):
        kinds = kinds or range(len(KINDS))
        while True:
            self.kind = r.choice(kinds)
            self.gender = r.choice([g for g in 'mf' if lang == 'en' or self.forms(self.kind, 'es')[g == 'f']])
            self.trait = r.randrange(len(TRAITS))
            if self.kind >= len(KINDS) or held_out(self.kind, self.trait) == evaluation:
                break
        lists = {'en': (EN_BOYS, EN_GIRLS), 'es': (ES_BOYS, ES_GIRLS)}
        other = r.random() < 0.15
        self.name = made_up_name(r, self.gender) if r.random() < 0.1 else r.choice(lists[lang if not other else 'es' if lang == 'en' else 'en'][self.gender == 'f'])
        self.place, self.object, self.fear = r.randrange(len(PLACES)), r.randrange(len(OBJECTS)), r.randrange(len(FEARS))
        while True:
            self.helper = r.randrange(PEOPLE)
            self.helper_gender = r.choice([g for g in 'mf' if self.forms(self.helper, 'es')[g == 'f']])
            if self.helper != self.kind:
                break
        self.adjective = r.randrange(len(HELPERS))
        self.plot = r.choice(list(SHORT['en']))
        self.given = {}

    @staticmethod
    def forms(kind, lang):
        f = KINDS[kind] if kind < len(KINDS) else NEW_KINDS[kind - len(KINDS)]
        return f[:2] if lang == 'en' else f[2:]

    def speaks(self, lang):
        return bool(self.forms(self.kind, lang)[self.gender == 'f'])

    def story(self, r, lang):
        S = Tale(r)
        kind, trait, f = self.forms(self.kind, lang)[self.gender == 'f'], TRAITS[self.trait], self.gender == 'f'
        gk, adj = self.forms(self.helper, lang)[self.helper_gender == 'f'], HELPERS[self.adjective]
        o, place, fear = OBJECTS[self.object], PLACES[self.place], FEARS[self.fear]
        if lang == 'en':
            S.e['h'] = Entity(self.gender, name=self.name, kind=kind, he='she' if f else 'he', him='her' if f else 'him', his='her' if f else 'his')
            S.e['g'] = Entity(self.helper_gender, name=gk, kind=gk, a=a_an(f'{adj[0]} {gk}'), the='the ' + gk, plain=a_an(gk))
            S.e.update(o=en_thing(o[0]), who=a_an(f'{trait[0]} {kind}'), akind=a_an(kind), one='One ' + r.choice(EN_WEATHER), fear=fear[0], pl='')
            S.e['w2'] = r.choice('Monday Tuesday Wednesday Thursday Friday Saturday Sunday'.split())
        else:
            S.e['h'] = Entity(self.gender, name=self.name, kind=kind, pron='ella' if f else 'él')
            S.e['g'] = es_noun(self.helper_gender, gk, adj[2] if self.helper_gender == 'f' else adj[1])
            S.e['g'].forms['plain'] = ('una ' if self.helper_gender == 'f' else 'un ') + gk
            un = 'una ' if f else 'un '
            S.e.update(o=es_noun(*o[1:]), who=un + kind + ' ' + trait[2 if f else 1], akind=un + kind, fear=fear[1], pl=fear[2])
            S.e['wm'], S.e['wf'] = r.choice(ES_WEATHER)
            S.e['w2'] = r.choice('lunes martes miércoles jueves viernes sábado domingo'.split())
        S.e.update({'in': place[lang == 'es'], 'moral': MORALS[lang][self.plot]})
        return S


class Tale(Story):
    def slot(self, k):
        if k.startswith('hg:'):  # agrees with hero and helper together
            return k[3:].split('/')[self.e['h'].gender == self.e['g'].gender == 'f']
        return super().slot(k)

    def line(self, *choices):
        return spaces(capitals(self.expand(self.pick(choices)).strip()))


def spaces(s):
    return re.sub(r'\by (?=[Ii]\w)(?!i[aeo])', 'e ', s) if re.search('[áéíóúñ¿¡]| el | la ', s) else s


def tell(r, lang, plan):
    """The tale, and the Story whose slots later turns may use."""
    S = plan.story(r, lang)
    S.say(r.choice(OPENINGS[lang]))
    for p, paragraph in enumerate(TALES[lang][plan.plot]):
        if not paragraph[0].startswith('{h}') and (p or r.random() < 0.4):  # a name that begins a line is spelled with other tokens
            S.par()
        S.say(*paragraph)
    if r.random() < 0.3:
        S.say('[And so {h} learned that {moral}.|The end.]' if lang == 'en' else '[Y así {h} aprendió que {moral}.|Fin.]')
    return re.sub(r'\ba el\b', 'al', re.sub(r'\by (?=I)', 'e ', S.text())) if lang == 'es' else S.text(), S


# ------------------------------------------------------------------------------------------------ what people say

ASK = {'en': ['[Tell|Please tell] me a [story|short story|little story|tale]', '[Can|Could] you tell me a [story|tale|short story]', '[Write|Write me|Make up|Invent] a [story|short story|tale]', 'I [want|would like] a [story|tale]', "I'd like [to hear |]a story", 'Tell a story', 'A story'],
       'es': ['[Cuéntame|Cuentame|Dime] [un cuento|una historia|un cuento corto|una historia corta]', '[¿Me cuentas|¿Puedes contarme|¿Me puedes contar] [un cuento|una historia]', '[Escribe|Inventa|Escríbeme] [un cuento|una historia|un cuento corto]', '[Quiero|Quisiera|Me gustaría oír] [un cuento|una historia]', 'Cuenta un cuento', 'Un cuento']}
SAY = {  # user's lines -> answers; 'tell' marks answers that offer a story
    'en': {
        'hello': ('[Hello|Hi|Hey|Hello there|Good morning|Good evening|Hi there][!|.||, Llamita!|, llama!]', '[Hello|Hi|Hello there]! I am Llamita, a little llama who tells stories. [Shall I tell you one?|Would you like to hear one?]'),
        'who': ("[Who are you|What are you|What is your name|What's your name|Are you a robot|Are you a real llama|Introduce yourself|Who made you|Are you ChatGPT|Are you human][?|]", 'I am Llamita, a [little|very small] llama. I tell short stories in English and Spanish. [Shall I tell you one?|Would you like to hear one?]'),
        'can': ('[What can you do|What do you do|How can you help me|Help|What do you know|What should I ask you|What are you good at|How does this work][?|]', 'I tell [short|small] stories. Ask me for a story about [a brave cat|a curious fox|a shy dragon], or about a girl who finds a key.'),
        'how': ('[How are you|How are you doing|How do you feel|How is it going|What\'s up|How are you today][?|]', '[Very well, thank you|I am fine, thank you]! I have just thought of a new story. [Would you like to hear it?|Shall I tell it?]'),
        'thanks': ('[Thanks|Thank you|Thank you very much|Thanks a lot|Many thanks][!|.|, Llamita.|]', '[You are welcome|It was a pleasure]! [Would you like another story?|Shall I tell you another one?]'),
        'nice': ('[That was nice|What a nice story|I liked it|I love it|Good story|Great|Beautiful|How sweet|That was lovely|Well done|Very good|Cool][!|.]', '[Thank you|I am glad you liked it]! [Would you like another story?|Shall I tell you another one?]'),
        'bad': ("[I don't like it|That was boring|That makes no sense|That is silly|Bad story|I did not like it][!|.]", 'I am sorry. I am only a small llama. [Shall I try another one?|Shall I tell you a better one?]'),
        'bye': ('[Bye|Goodbye|Good night|See you|See you tomorrow|See you later|I have to go][!|.]', '[Goodbye|See you soon|Good night]! Come back when you want [a story|another story].'),
        'no': ("[No|No, thanks|No, thank you|Not now|Maybe later|Nope][.|!|]", '[All right|That is fine]. I will be here when you want a story.'),
        'sad': ("[I am sad|I'm sad|I feel lonely|I am bored|I'm bored|I had a bad day|I am tired|I can't sleep|I am afraid][.|]", None)},
    'es': {
        'hello': ('[¡Hola|Hola|Buenos días|Buenas tardes|Buenas|Hola, Llamita|Hola, llama][!|.|]', '¡Hola! Soy Llamita, una pequeña llama que cuenta cuentos. [¿Te cuento uno?|¿Quieres oír uno?]'),
        'who': ('[¿Quién eres|¿Qué eres|¿Cómo te llamas|¿Cuál es tu nombre|¿Eres un robot|¿Eres una llama de verdad|¿Quién te hizo|¿Eres ChatGPT]?', 'Soy Llamita, una llama [pequeña|muy pequeña]. Cuento cuentos cortos en español y en inglés. [¿Te cuento uno?|¿Quieres oír uno?]'),
        'can': ('[¿Qué puedes hacer|¿Qué sabes hacer|¿Cómo me puedes ayudar|¿Qué sabes|¿Qué te puedo pedir|¿Para qué sirves]?', 'Cuento cuentos cortos. Pídeme un cuento sobre [una gata valiente|un zorro curioso|un dragón tímido], o sobre una niña que encuentra una llave.'),
        'how': ('[¿Cómo estás|¿Qué tal|¿Qué tal estás|¿Cómo te sientes|¿Cómo te va|¿Cómo estás hoy]?', '¡[Muy bien, gracias|Estoy bien, gracias]! Acabo de pensar un cuento nuevo. [¿Quieres oírlo?|¿Te lo cuento?]'),
        'thanks': ('[Gracias|Muchas gracias|¡Gracias|¡Muchas gracias|Gracias, Llamita][!|.]', '¡[De nada|Ha sido un placer]! [¿Quieres otro cuento?|¿Te cuento otro?]'),
        'nice': ('[Qué bonito|Me gustó|Me ha gustado|Me encanta|¡Qué lindo|Muy bien|Qué cuento tan bonito|Genial|Precioso][!|.]', '[¡Gracias!|Me alegro de que te guste.] [¿Quieres otro cuento?|¿Te cuento otro?]'),
        'bad': ('[No me gusta|No me gustó|Qué aburrido|Eso no tiene sentido|Qué tontería][!|.]', 'Lo siento. Solo soy una llama pequeña. [¿Pruebo con otro?|¿Te cuento uno mejor?]'),
        'bye': ('[Adiós|Hasta luego|Hasta mañana|Buenas noches|Chao|Me tengo que ir][!|.]', '¡[Adiós|Hasta pronto|Buenas noches]! Vuelve cuando quieras [un cuento|otro cuento].'),
        'no': ('[No|No, gracias|Ahora no|Luego|Otro día][.|!|]', '[Está bien|De acuerdo]. Aquí estaré cuando quieras un cuento.'),
        'sad': ('[Estoy triste|Me siento solo|Me siento sola|Me aburro|Estoy aburrido|Estoy aburrida|He tenido un mal día|Estoy cansada|No puedo dormir|Tengo miedo][.|]', None)}}
YES = {'en': '[Yes|Yes, please|Sure|OK|Okay|Please do|Go ahead|Of course|Yes, tell me|Yes!|Tell me|Why not][.|!|]', 'es': '[Sí|Sí, por favor|Claro|Vale|Bueno|Por favor|Adelante|Sí, cuéntame|¡Sí!|Cuéntamelo|Dale][.|!|]'}
COMFORT = {'en': '[Then here is a small story for you.|Come, I will tell you a story.|I am sorry. Here is a story to make you smile.]', 'es': '[Entonces aquí tienes un cuento.|Ven, te contaré un cuento.|Lo siento. Aquí tienes un cuento para sonreír.]'}
LEAD = {'en': '[Of course!|Gladly!|With pleasure!]', 'es': '[¡Claro!|¡Con mucho gusto!|¡Claro que sí!]'}
MORE = {'en': '[Another one|Another story|One more|Tell me another one|Tell me another story|Again|More|Can you tell me another one|A different one|Another]', 'es': '[Otro|Otro cuento|Uno más|Cuéntame otro|Cuéntame otro cuento|Otra vez|Más|¿Me cuentas otro|Uno distinto]'}
CANNOT = {'en': ['What is the capital of [France|Spain|Italy|Japan|Mexico|Germany|Peru]?', '[How much is|What is] [2|3|5|7|12|25] [+|plus|times|x|-] [2|4|6|8|10|17]?', 'Write a [poem|essay|letter|song|report|recipe|speech] [|about {x}].', 'Write [a Python program|a function in Rust|some code|a program in C|JavaScript code][| that sorts a list| that prints hello].',
                 'Who [is|was] [the president|Einstein|Shakespeare|the king of Spain|Napoleon|Cervantes|the first man on the moon]?', 'What is the [weather|time|date|news|meaning of life|price of gold|speed of light]?', 'How do I [cook rice|fix my car|learn math|lose weight|make money|get to the station|install Linux]?',
                 'Explain [gravity|photosynthesis|quantum physics|how a GPU works|what the moon is|the war]?', 'Why is [the sky blue|the sea salty|grass green|water wet]?', 'Translate ["good morning"|this|hello] [to French|into German|to Chinese].', 'What do you think about [politics|football|music|{x}]?', 'How many [people|stars|countries|planets] are there?',
                 'Do you know [{x}|my name|what day it is]?', 'What is [a computer|love|{x}|WebGPU|a neural network]?', 'Give me [a recipe|advice|the news|a list of books|ten ideas].', 'Summarize [this text|the news|a book].', '[Where|When] [is Paris|is my phone|was the war|does the train leave|is Christmas]?'],
          'es': ['¿Cuál es la capital de [Francia|España|Italia|Japón|México|Alemania|Perú]?', '¿Cuánto es [2|3|5|7|12|25] [+|más|por|x|-] [2|4|6|8|10|17]?', 'Escribe [un poema|un ensayo|una carta|una canción|un informe|una receta|un discurso][| sobre {x}].', 'Escribe [un programa en Python|una función en Rust|código|un programa en C].',
                 '¿Quién [es|fue] [el presidente|Einstein|Cervantes|el rey de España|Napoleón|Bolívar]?', '¿Qué [tiempo hace|hora es|día es hoy|noticias hay|significa la vida]?', '¿Cómo [cocino arroz|arreglo mi coche|aprendo matemáticas|bajo de peso|gano dinero|llego a la estación]?',
                 'Explícame [la gravedad|la fotosíntesis|la física|cómo funciona una GPU|qué es la luna|la guerra].', '¿Por qué [el cielo es azul|el mar es salado|llueve|la hierba es verde]?', 'Traduce ["good morning"|esto|hola] al [francés|alemán|chino].', '¿Qué piensas de [la política|el fútbol|la música|{x}]?', '¿Cuántos [países|planetas|habitantes] hay?',
                 '¿Sabes [mi nombre|qué día es|nadar|{x}]?', '¿Qué es [un ordenador|el amor|una red neuronal|{x}]?', 'Dame [una receta|un consejo|las noticias|una lista de libros|diez ideas].', 'Resume [este texto|las noticias|un libro].', '¿[Dónde|Cuándo] [está París|está mi móvil|fue la guerra|sale el tren|es Navidad]?']}
SORRY = {'en': '[I do not know that|I cannot do that|That is too hard for a little llama]. I only know small stories. Shall I tell you one?', 'es': '[Eso no lo sé|Eso no sé hacerlo|Eso es muy difícil para una llama pequeña]. Solo sé cuentos pequeños. ¿Te cuento uno?'}
NEXT = {'en': ('[And then|What happened next|What happens next|And what happened then|Continue|Go on|Then what|Tell me more|Continue the story][?|.|]',
               'The next day, {h} and {g.the} [went for a long walk|had breakfast together|looked for a new adventure]. They [sang|laughed|told jokes] all day long, and at night they [counted the stars|looked at the moon]. [The end.|And {h} was very happy.]'),
        'es': ('[¿Y después?|¿Y luego?|¿Qué pasó después?|¿Qué pasa después?|Continúa|Sigue|¿Y qué pasó?|Cuéntame más|Continúa el cuento]',
               'Al día siguiente, {h} y {g.ese} [dieron un largo paseo|desayunaron {hg:juntos/juntas}|buscaron otra aventura]. [Cantaron|Se rieron|Contaron chistes] todo el día, y por la noche [contaron las estrellas|miraron la luna]. [Fin.|Y {h} fue muy feliz.]')}
SHORTER = {'en': '[Make it shorter|Shorter|Shorter, please|A shorter version|Tell it in one sentence|Summarize it|Summarize the story][.|!|]', 'es': '[Más corto|Más corto, por favor|Hazlo más corto|Cuéntalo en una frase|Resúmelo|Resume el cuento][.|]'}
SWITCH = {'en': '[En español|En español, por favor|Cuéntalo en español|Tell it in Spanish|In Spanish, please|Now in Spanish|Can you tell it in Spanish?]', 'es': '[En inglés|En inglés, por favor|Cuéntalo en inglés|In English, please|Tell it in English|Ahora en inglés]'}  # from that language to the other
SYSTEM = ['Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024', 'Cutting Knowledge Date: December 2023\nToday Date: {d} [Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec] 202[4|5|6]', 'You are a helpful assistant.', 'You are a [friendly|kind|helpful|funny|wise] [assistant|storyteller|llama].', 'You are Llamita.',
          'You tell stories to [children|a child|my daughter|my son].', 'Answer [briefly|kindly|politely|in a few words].', 'Eres [un asistente amable|una llama que cuenta cuentos|Llamita|un cuentacuentos].', 'Cuentas cuentos a los niños.', 'Responde con pocas palabras.']
ONLY = {'en': ['Always answer in English.', 'Answer only in English.', 'Responde siempre en inglés.'], 'es': ['Always answer in Spanish.', 'Answer only in Spanish.', 'Responde siempre en español.']}
RIDDLE = {'en': ('[Tell me a riddle|Ask me a riddle|Do you know a riddle|A riddle, please|Tell me a joke][.|?]', "[I don't know|No idea|I give up|What is it|Tell me][.|?]", 'It is [easy|simple]: {a}!', 'Yes, {a}! Well done.'),
          'es': ('[Dime una adivinanza|Cuéntame una adivinanza|¿Sabes una adivinanza?|Una adivinanza, por favor|Cuéntame un chiste]', '[No sé|No lo sé|Ni idea|Me rindo|¿Qué es?|Dímelo]', 'Es [fácil|muy fácil]: {a}.', '¡Sí, {a}! Muy bien.')}


def question(r, lang, plan, S):
    """A question about the tale, and its answer."""
    qs = {'en': [
        ("[What was|What is|What's] the name of the {h.kind}?", '[The name of the {h.kind} was {h}|{h.his} name was {h}].'), ("[What was|What is|What's] the {h.kind}'s name?", "[The {h.kind}'s name was {h}|{h.his} name was {h}]."),
        ('What was {h.his} name?', '{h.his} name was {h}.'), ('[Who is the story about|Who was the hero|Who was it about]?', '[It is about {h}, {who}|The hero was {h}, {who}].'), ('Who [was|is] {h}?', '{h} was {who} who lived {in}.'),
        ('Where did [{h}|the {h.kind}|{h.he}] live?', '{h} lived {in}.'), ('Who [was the friend of {h}|helped {h}|did {h} meet|else was in the story]?', '[It was|{h} met] {g.a}.'),
        ('[What did {h} learn|What is the moral|What do we learn from it]?', '{h} learned that {moral}.')],
        'es': [
        ('¿Cómo se [llamaba|llama] {h:el/la} {h.kind}?', '[Se llamaba {h}|{h:El/La} {h.kind} se llamaba {h}].'), ('¿Cuál [era|es] el nombre {h:del/de la} {h.kind}?', '[Se llamaba {h}|{h:El/La} {h.kind} se llamaba {h}].'),
        ('¿Cómo se llamaba?', 'Se llamaba {h}.'), ('[¿De quién habla el cuento|¿Quién era el héroe|¿De quién es el cuento]?', '[Habla de {h}, {who}|Era {h}, {who}].'), ('¿Quién [era|es] {h}?', '{h} era {who} que vivía {in}.'),
        ('¿Dónde vivía[ {h}| {h:el/la} {h.kind}|]?', '{h} vivía {in}.'), ('¿[Quién ayudó a {h}|A quién encontró {h}|Quién más estaba en el cuento]?', '[Era|{h} encontró a] {g.un}.'),
        ('¿Qué [aprendió {h}|aprendemos del cuento]?', '{h} aprendió que {moral}.'), ('¿Cuál es la moraleja?', '{h} aprendió que {moral}.')]}[lang]
    if plan.plot in ('find', 'voyage'):
        qs.append({'en': ('What did [{h}|the {h.kind}|they] find?', '{h} found {o.a}.'), 'es': ('¿Qué [encontró {h}|encontraron]?', '{h} encontró {o.un}.')}[lang])
    if plan.plot == 'lost':
        qs.append({'en': ('What did [{h}|the {h.kind}] lose?', '{h} lost {o.a}.'), 'es': ('¿Qué perdió {h}?', '{h} perdió {o.un}.')}[lang])
    if plan.plot == 'race':
        qs.append({'en': ('What was the prize?', 'The prize was {o.a}.'), 'es': ('¿Cuál era el premio?', 'El premio era {o.un}.')}[lang])
    q, a = r.choice(qs)
    return S.line(q), S.line(a)


def plural(lang, noun):
    """'a story about cats'; None where the plural is not plain."""
    if lang == 'es':
        return noun + 's' if noun[-1] in 'aeo' else None
    return None if noun[-1] in 'hyfs' or noun in ('mouse', 'fisherman', 'fisherwoman', 'snowman', 'sheep') else noun + ('es' if noun[-1] == 'x' else 's')


def request(r, lang, plan, lead=None):
    """A request that names part of the plan; plan.given records which part."""
    S, en, given = plan.story(r, lang), lang == 'en', plan.given
    ask = S.expand(lead or r.choice(ASK[lang]))
    x = r.random()
    if x < 0.10 and not lead:
        about = ''
        if r.random() < 0.3:
            about, plan.plot = (' [before I sleep|for the night]' if en else ' [para dormir|para la noche]'), 'dream'
    elif x < 0.18 and not lead:
        about = (' about ' if en else ' sobre ') + TOPICS[lang][plan.plot]
    elif x < 0.25:
        given['name'] = True
        about = (' about ' if en else ' [sobre|de] ') + '{h}'
    else:
        given['kind'] = True
        trait = r.random() < 0.55
        given['trait'] = trait
        several = plural(lang, S.e['h']['kind']) if not trait and r.random() < 0.12 else None
        about = (' about ' if en else ' [sobre|de|sobre] ') + (several or ('{who}' if trait else '{akind}'))
        if several:
            return spaces(S.expand(ask + about)) + ('?' if '¿' in ask or en and ask[:3] in ('Can', 'Cou') else '')
        if r.random() < 0.3:
            given['name'] = True
            about += ' [named|called] {h}' if en else ' [que se llama|{h:llamado/llamada}] {h}'
        y = r.random()
        if y < 0.25:
            about += ' ' + WHO[lang][plan.plot]
            given['plot'] = True
            given['object'] = '{o.' in WHO[lang][plan.plot]
        elif y < 0.32 and plan.plot not in WITHOUT_OBJECT:
            about += (' [and|with] {o.a}' if en else ' [y|con] {o.un}')
            given['object'] = True
        elif y < 0.42:
            about += ' [and {g.a}|and {g.plain}]' if en else ' [y {g.un}|y {g.plain}]'
            given['helper'] = True
        elif y < 0.48:
            about += ' who lives {in}' if en else ' que vive {in}'
            given['place'] = True
        elif y < 0.53 and 'name' not in given:
            given['name'] = True
            about += '. {h.his} name is {h}' if en else '. Se llama {h}'
    text = spaces(S.expand(ask + about))
    if not en:
        text = re.sub(r'\bde el\b', 'del', text)
    text = ('¿' in text and text + '?' or text) if not en else text + ('?' if ask[:3] in ('Can', 'Cou') else '')
    return text


def polite(r, lang, text):
    """How people really type."""
    if text[-1] not in '.?!':
        text += r.choice(['', '', '.', '.', '!', ', please' if lang == 'en' else ', por favor', ', please.' if lang == 'en' else ', por favor.'])
    if lang == 'es' and r.random() < 0.3:
        text = text.replace('¿', '').replace('¡', '')
    if lang == 'es' and r.random() < 0.08:
        text = text.translate(str.maketrans('áéíóú', 'aeiou'))
    if text[0] not in '¿¡' and r.random() < 0.15:
        text = text[0].lower() + text[1:]
    return text if text[0] in '¿¡' or r.random() < 0.1 else text


def thing(r, lang):
    p = Plan(r, lang)
    return p.story(r, lang).e['akind']


def conversation(rng, lang=None):
    """Messages (role, text), beginning with the system's or the user's and ending with the assistant's."""
    r = rng
    lang = lang or r.choice(['en', 'es'])
    out = []
    E = lambda t: Tale(r).expand(t)

    def turn(user, answer):
        out.extend([('user', polite(r, lang, user)), ('assistant', answer)])

    def tale(user, plan, lead=0.15, speak=None):
        """An answered request; returns what later turns refer to."""
        text, S = tell(r, speak or lang, plan)
        if r.random() < lead:
            text = E(LEAD[speak or lang]) + '\n\n' + text
        turn(user, text)
        return plan, S

    x = r.random()
    system = None
    if r.random() < 0.25:
        system = Tale(r).expand(r.choice(SYSTEM).replace('{d}', '%02d' % r.randrange(1, 29)))
    state = None
    if x < 0.62:
        plan = Plan(r, lang)
        text = request(r, lang, plan)
        y = r.random()
        other = 'es' if lang == 'en' else 'en'
        if y < 0.04 and plan.speaks(other):
            text += {'en': ' in Spanish', 'es': ' en inglés'}[lang] if '?' not in text else ''
            speak = other if '?' not in text else lang
            state = tale(text, plan, 0, speak)
            lang = speak
        elif y < 0.07 and plan.speaks(other):
            system = r.choice(ONLY[other])
            state = tale(text, plan, 0, other)
            lang = other
        else:
            state = tale(text, plan)
    elif x < 0.86:
        key = r.choice(['hello', 'hello', 'who', 'can', 'how', 'thanks', 'bye', 'sad', 'nice', 'no'])
        u, a = SAY[lang][key]
        if key == 'sad':
            plan = Plan(r, lang)
            text, S = tell(r, lang, plan)
            turn(E(u), E(COMFORT[lang]) + '\n\n' + text)
            state = plan, S
        else:
            turn(E(u), E(a))
            offers = key not in ('can', 'bye', 'no')
            y = r.random()
            if y < 0.3 and offers:
                state = tale(E(YES[lang]), Plan(r, lang), 0)
            elif y < 0.4 and offers:
                u, a = SAY[lang]['no']
                turn(E(u), E(a))
            elif y < 0.5 and key == 'hello':
                u, a = SAY[lang][r.choice(['who', 'can', 'how'])]
                turn(E(u), E(a))
            elif y < 0.75:
                plan = Plan(r, lang)
                state = tale(request(r, lang, plan), plan)
    elif x < 0.96:
        turn(E(r.choice(CANNOT[lang]).replace('{x}', thing(r, lang))), E(SORRY[lang]))
        y = r.random()
        if y < 0.3:
            state = tale(E(YES[lang]), Plan(r, lang), 0)
        elif y < 0.4:
            plan = Plan(r, lang)
            state = tale(request(r, lang, plan), plan)
    else:
        q, a = r.choice({'en': EN_RIDDLES, 'es': ES_RIDDLES}[lang])
        a = a[0].lower() + a[1:]
        ask, give_up, tell_it, right = RIDDLE[lang]
        turn(E(ask), q + ('?' if lang == 'en' else ''))
        turn(E(give_up), E(tell_it.replace('{a}', a))) if r.random() < 0.5 else turn(a[0].upper() + a[1:], right.replace('{a}', a))

    while state and len(out) < 8 and r.random() < 0.5:
        plan, S = state
        y = r.random()
        if y < 0.5:
            turn(*question(r, lang, plan, S))
        elif y < 0.68:
            plan = Plan(r, lang)
            more = E(MORE[lang])
            if r.random() < 0.45:
                more = request(r, lang, plan, more)
            elif '¿' in more:
                more += '?'
            state = tale(more, plan)
        elif y < 0.75:
            turn(E(SHORTER[lang]), S.line('{h}, {who}, ' + SHORT[lang][plan.plot] + '.'))
        elif y < 0.82:
            turn(E(NEXT[lang][0]), S.line(NEXT[lang][1]))
        elif y < 0.87 and plan.speaks('es' if lang == 'en' else 'en'):
            ask = E(SWITCH[lang])
            lang = 'es' if lang == 'en' else 'en'
            state = tale(ask, plan, 0)
        elif y < 0.93:
            u, a = SAY[lang]['thanks']
            turn(E(u), E(a))
        elif y < 0.985:
            u, a = SAY[lang]['nice' if r.random() < 0.8 else 'bad']
            turn(E(u), E(a))
        else:
            turn(E(r.choice(CANNOT[lang]).replace('{x}', thing(r, lang))), E(SORRY[lang]))
    return ([('system', system)] if system else []) + out


def render(messages):
    """Llama 3's chat format, as the model's template writes it."""
    return '<|begin_of_text|>' + ''.join(f'<|start_header_id|>{role}<|end_header_id|>\n\n{text.strip()}<|eot_id|>' for role, text in messages)


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('-n', type=int, default=4)
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--lang', choices=['en', 'es'])
    a = ap.parse_args()
    rng = random.Random(a.seed)
    for _ in range(a.n):
        for role, text in conversation(rng, a.lang):
            print({'user': '> ', 'system': '[system] '}.get(role, '') + text)
        print('\n' + '-' * 20)
