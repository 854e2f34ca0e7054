"""Stories in Spanish: words, plots and their ends."""
import re

from .grammar import Entity, Story, a_name

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
    name = a_name(rng, g, ES_GIRLS if g == 'f' else ES_BOYS, used)
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
