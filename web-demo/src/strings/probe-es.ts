/** La prueba del dispositivo, en español. */
import type { probeEn } from './probe-en.js';

export const probeEs: Record<keyof typeof probeEn, string> = {
  'probe.title': '¿Qué puede hacer esta GPU?',
  'probe.lead':
    'La prueba mide si Llama 3.2 calcula bien en este dispositivo, con qué velocidad y cuánta memoria recibe. ' +
    'Tarda cerca de un minuto en una GPU y no descarga ningún modelo. No se envía nada.',
  'probe.home': 'Al chat',
  'probe.link': 'Probar este dispositivo',
  'probe.linkWhat': 'Una página aparte mide en un minuto, sin modelo, qué puede hacer esta GPU con Llama 3.2.',
  'probe.start': 'Empezar la prueba',
  'probe.again': 'Probar otra vez',
  'probe.software':
    'Este navegador ejecuta los shaders en la CPU: aquí puede tardar {minutes} minutos, y las velocidades no dicen nada de una GPU.',
  'probe.front': 'Deja esta página delante mientras dura, y la pantalla encendida.',
  'probe.elapsed': '{time} hasta ahora',
  'probe.progress': 'Avance de la prueba',
  'probe.phase.opening': 'Descargando el motor',
  'probe.phase.device': 'Midiendo lo que tarda la GPU en responder y copiar',
  'probe.phase.weights': 'Creando pesos en la GPU',
  'probe.phase.kernels': 'Comparando cada kernel con su resultado correcto',
  'probe.phase.speed': 'Leyendo textos y escribiendo tokens',
  'probe.phase.sustained': 'Escribiendo tokens durante cinco minutos',
  'probe.phase.memory': 'Pidiendo memoria, paso a paso',

  'probe.ended.title': 'Una prueba anterior fue cerrada con {bytes}',
  'probe.ended.what':
    'El navegador o el sistema cerró la página cuando la prueba pidió esa memoria. Eso es una respuesta, y se guarda. ' +
    'La prueba puede seguir sin la parte de la memoria, o pedir otra vez menos que eso.',
  'probe.ended.go': 'Seguir sin la parte de la memoria',
  'probe.ended.all': 'Pedir memoria otra vez, hasta ahí',

  'probe.verdict.runs': '{model} funciona aquí a unos {rate} tokens/s',
  'probe.verdict.fits': '{model} cabe aquí',
  'probe.verdict.not': '{model} no cabe aquí',
  'probe.verdict.unknown': 'No se sabe si {model} cabe aquí',
  'probe.verdict.wrong': 'Esta GPU calcula mal',
  'probe.verdict.wrongWhat':
    'Resultados erróneos o cambiantes: {wrong} de {total} kernels. Los modelos escribirían disparates aquí. Actualiza el ' +
    'navegador, el controlador gráfico o el sistema, y envía este informe, por favor.',
  'probe.verdict.quarantine': 'No se midió nada',
  'probe.verdict.quarantineWhat':
    'El kernel {kernel} falló aquí antes y está en cuarentena, así que el plan de esta GPU no se ejecuta. Los modelos usan uno más sencillo.',
  'probe.verdict.toKernels': 'Comprueba los kernels en la vista del dispositivo, para que los modelos prescindan de los que fallan.',
  'probe.verdict.part': 'La prueba no llegó al final',
  'probe.verdict.partWhat': 'Lo que vio hasta entonces está abajo. Se puede guardar así.',
  'probe.verdict.software': 'En una GPU por software: son las velocidades de la CPU.',
  'probe.why.cap': 'Necesita {needed}, y no había que probar más de {granted}.',
  'probe.why.refused': 'Necesita {needed}, y el navegador negó más de {granted}.',
  'probe.why.killed': 'Necesita {needed}, y la página fue cerrada por encima de {granted}.',
  'probe.why.budget': 'Necesita {needed}, y el sistema tenía {granted} para dar.',

  'probe.device': 'Dispositivo',
  'probe.browser': 'Navegador y sistema',
  'probe.plan': 'Plan y nivel',
  'probe.features': 'Funciones',
  'probe.feature.subgroups': 'subgrupos de {least} a {most}',
  'probe.feature.subgroup': 'subgrupos de {least}',
  'probe.feature.dot': 'productos escalares de bytes',
  'probe.feature.clock': 'marcas de tiempo',
  'probe.limits': 'Límites',
  'probe.limit.binding': 'enlaces de {bytes}',
  'probe.limit.buffer': 'búferes de {bytes}',
  'probe.limit.workgroup': '{bytes} de memoria de grupo',
  'probe.limit.invocations': '{count} invocaciones',
  'probe.limit.storage': '{count} búferes de almacenamiento',
  'probe.latency': 'Latencia',
  'probe.latency.submit': '{time} por envío',
  'probe.latency.dispatch': '{time} por despacho',
  'probe.latency.readback': '{time} hasta leer un resultado',
  'probe.copy': 'Copias',
  'probe.copy.value': '{rate} GB por segundo',
  'probe.kernels': 'Kernels de cálculo',
  'probe.kernels.right': 'Los {total} correctos, e iguales en {runs} ejecuciones',
  'probe.kernels.wrong': '{wrong} de {total} erróneos',
  'probe.kernels.each': 'Cada kernel',
  'probe.kernels.kernel': 'Kernel y lugar',
  'probe.memory': 'Memoria',
  'probe.memory.cap': 'Concedidos {bytes}, todo lo que se pidió',
  'probe.memory.refused': 'Concedidos {bytes}; el navegador negó más',
  'probe.memory.killed': 'Concedidos {bytes}; en el paso siguiente la página fue cerrada',
  'probe.memory.budget': 'Concedidos {bytes}; el sistema no tenía más',
  'probe.quarantined': 'No se usan aquí',
  'probe.sustained': 'Sostenido',
  'probe.sustained.value': '{first} → {last} tokens/s en {time}',
  'probe.speed': 'Velocidad de Llama 3.2 1B, en tokens/s',
  'probe.speed.depth': 'Tokens antes',
  'probe.speed.prefill': 'Lectura',
  'probe.speed.decode': 'Escritura',
  'probe.speed.share': 'Del ancho de banda de copia',
  'probe.speed.layers': 'De {all} capas se ejecutaron {layers}. Las velocidades son las del modelo entero.',
  'probe.results': 'Lo que se midió',

  'probe.copyJson': 'Copiar el JSON',
  'probe.save': 'Guardar como archivo',
  'probe.share': 'Compartir',
  'probe.send': 'Enviar el informe',
  'probe.sendWhat':
    'Guarda el archivo y añádelo a la carpeta docs/devices del repositorio de Llamita con un pull request. Allí docs/devices.md ' +
    'cuenta cómo. Contiene nombres de la GPU, del navegador y del sistema, y mediciones; nada que te nombre a ti.',
  'probe.sendLink': 'Archivo nuevo en docs/devices',
  'probe.sustain': 'Mirar la velocidad cinco minutos',
  'probe.sustainWhat':
    'Los teléfonos se calientan y van más lentos. Esto escribe tokens durante cinco minutos y añade las velocidades al informe.',

  'probe.error.DeviceLost': 'La GPU fue retirada durante la prueba',
  'probe.error.DeviceLostWhat':
    'El navegador o el controlador la reinició. Vale la pena contarlo: lo medido antes está abajo. Después recarga la página.',
  'probe.error.Busy': 'Ya hay una prueba en marcha',
  'probe.error.BusyWhat': 'Está en otra pestaña. Espera a que termine allí, o cierra esa pestaña.',
};
