/**
 * The pipelines that draw tokens, which take the compiler longer than all others together, and which greedy answers do
 * without. The engine asks for every pipeline before the first weight, and browsers let all that comes later on the
 * device wait for their compiler. So the engine is given stand-ins for these, and they are compiled when an answer wants
 * them, or when nothing has been asked for a while, beside everything else.
 */

/** How the engine labels them. */
const DRAWS = /^sample/;
/** Nothing was asked for so long that somebody may be typing. */
const IDLE_MS = 1000;

class StandIn {
  #pipeline: GPUComputePipeline | undefined;
  #compiling: Promise<void> | undefined;

  constructor(
    /** Compiles it at once, and tells the device what is wrong with it. */
    private readonly now: () => GPUComputePipeline,
    private readonly meanwhile: () => Promise<GPUComputePipeline>,
  ) {}

  get pipeline(): GPUComputePipeline {
    return this.#pipeline ??= this.now();
  }

  compile(): Promise<void> {
    if (this.#pipeline) return Promise.resolve();
    return this.#compiling ??= this.meanwhile().then(
      (pipeline) => { this.#pipeline ??= pipeline; },
      () => {}, // Who uses it compiles it again, and is told.
    );
  }
}

const standIns = new WeakMap<GPUComputePipeline, StandIn>();
/** Those that are not compiled yet. */
const waiting = new Set<StandIn>();
let underWay = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Prepares the worker's WebGPU, where it has one. To be called once, before the engine begins. */
export function deferDrawing(): void {
  if (!('GPUDevice' in globalThis)) return;
  const [device, pass] = [GPUDevice.prototype, GPUComputePassEncoder.prototype];
  const { createComputePipeline } = device;
  const { setPipeline } = pass;
  device.createComputePipeline = function (this: GPUDevice, descriptor) {
    const now = () => createComputePipeline.call(this, descriptor);
    if (!DRAWS.test(descriptor.label ?? '')) return now();
    const standIn = new StandIn(now, () => this.createComputePipelineAsync(descriptor));
    const handle = {} as GPUComputePipeline; // The engine only gives it back.
    standIns.set(handle, standIn);
    waiting.add(standIn);
    return handle;
  };
  pass.setPipeline = function (this: GPUComputePassEncoder, pipeline) {
    setPipeline.call(this, standIns.get(pipeline)?.pipeline ?? pipeline);
  };
}

/** Compiles those that an answer wants. */
export async function compileDrawing(): Promise<void> {
  await Promise.all([...waiting].map(async (standIn) => {
    await standIn.compile();
    waiting.delete(standIn);
  }));
}

/** Does what compiling must not hold up. */
export async function busy<T>(work: () => Promise<T>): Promise<T> {
  clearTimeout(timer);
  underWay += 1;
  try {
    return await work();
  } finally {
    underWay -= 1;
    if (underWay === 0) timer = setTimeout(() => void compileDrawing(), IDLE_MS);
  }
}
