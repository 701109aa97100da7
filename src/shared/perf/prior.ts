import type { Model, Pool } from "../catalog/schema.ts";
import type { Seconds, Tokens } from "../units.ts";
import { type Gpu, gpuByName } from "./gpus.ts";
import * as roofline from "./roofline.ts";

/** How fast one replica is. */
export interface Rates {
	/** c: TTFT of an empty prompt on an idle replica, without the round trip. */
	readonly overheadSeconds: Seconds;
	readonly prefillTokensPerSecond: number;
	/** TPOT of a request that runs alone. */
	readonly stepSeconds: Seconds;
	/** What each further running sequence adds to the TPOT. */
	readonly stepSecondsPerSequence: Seconds;
	/** Tokens that the KV cache holds. */
	readonly kvTokens: Tokens;
}

/** What physics allows at the very best: no replica of this hardware is faster. */
export interface Floor {
	readonly prefillSecondsPerToken: Seconds;
	readonly stepSeconds: Seconds;
}

/** Rates before anything was measured, and how far to trust them. */
export interface Prior extends Rates {
	/** Standard deviation of ln(true / prior) of each rate. */
	readonly spread: number;
	/** Null where the hardware is not known. */
	readonly floor: Floor | null;
}

/** A public API or hardware that we know nothing of. Neither fast nor slow among hosted models, and hardly trusted: a
 *  few answers replace it. Others' load hides ours there, so that TPOT barely grows with our requests. */
export const NEUTRAL: Rates = {
	overheadSeconds: 0.3,
	prefillTokensPerSecond: 8_000,
	stepSeconds: 0.015,
	stepSecondsPerSequence: 0.0001,
	kvTokens: 1_000_000,
};

/** Roofline: the constants fit published numbers to 5-20 %, but engines of different years differ by 1.6 on the same
 *  GPU. */
export const SPREAD_ROOFLINE = 0.5;
export const SPREAD_STATED = 0.3;
export const SPREAD_NEUTRAL = 1;

/** HTTP, tokenising and scheduling before the first step, beside the round trip. */
const ADMISSION_SECONDS = 0.01;
/** The request for which the linear rates stand: a mean chat turn. */
const TYPICAL: roofline.RequestShape = { input: 1_024, output: 256 };
/** TPOT is taken as linear between one and this many running sequences. */
const BATCH_SPAN = 32;
/** Speculative decoding yields several tokens a step, so that a TPOT may be this much under the time to read the
 *  weights. */
const TOKENS_PER_STEP_MAX = 4;

/** The Llama 3 family's published configurations (1B, 8B, 70B, 405B): active parameters, layers, heads times head
 *  size over all layers, bytes of KV cache a token at 2 bytes an element. Others are interpolated on a log-log scale
 *  by active parameters, which also puts mixtures of experts within a factor of two. */
const FAMILY = [
	[1.24e9, 16, 16 * 2_048, 16 * 2 * 8 * 64 * 2],
	[8.03e9, 32, 32 * 4_096, 32 * 2 * 8 * 128 * 2],
	[70.6e9, 80, 80 * 8_192, 80 * 2 * 8 * 128 * 2],
	[405e9, 126, 126 * 16_384, 126 * 2 * 8 * 128 * 2],
] as const;

/** Rates of one replica of `pool` from its GPU's roofline; `pool.gpu.count` GPUs serve a replica together. What
 *  `pool.rates` states takes precedence. Without a GPU in our table, or without the model's parameters, the neutral
 *  prior. */
export function priorRates(model: Model, pool: Pool): Prior {
	const gpu = pool.gpu && gpuByName(pool.gpu.type);
	const shape = shapeOf(model);
	const known = pool.gpu && gpu && shape && fromRoofline(shape, { gpu, count: pool.gpu.count }, model.context_length);
	const prior = known ?? { ...NEUTRAL, spread: SPREAD_NEUTRAL, floor: null };
	return pool.rates ? stated(prior, pool.rates) : prior;
}

/** Whether `kvTokens` follows from the hardware; otherwise it is a round number, and no limit. */
export function kvTokensAreKnown(model: Model, pool: Pool): boolean {
	return pool.gpu !== undefined && gpuByName(pool.gpu.type) !== undefined && shapeOf(model) !== undefined;
}

/** The model's shape, with what the catalog does not say taken from models of its size. Undefined without its
 *  parameters. */
export function shapeOf(model: Model): roofline.ModelShape | undefined {
	if (model.parameters_billion === undefined) return undefined;
	const parameters = model.parameters_billion * 1e9;
	const activeParameters = Math.min(parameters, (model.active_parameters_billion ?? model.parameters_billion) * 1e9);
	return {
		parameters,
		activeParameters,
		bytesPerParameter: model.bytes_per_parameter,
		kvBytesPerToken: model.kv_bytes_per_token ?? interpolated(activeParameters, 3),
		layers: interpolated(activeParameters, 1),
		attentionWidth: interpolated(activeParameters, 2),
	};
}

function fromRoofline(shape: roofline.ModelShape, hardware: roofline.Hardware, contextLength: Tokens): Prior {
	const engine = roofline.UNSATURATED;
	const alone = roofline.mixedStepSeconds(shape, hardware, engine, 1, TYPICAL);
	const crowded = roofline.mixedStepSeconds(shape, hardware, engine, 1 + BATCH_SPAN, TYPICAL);
	const { input } = TYPICAL;
	const fill = (tokens: Tokens): Seconds =>
		roofline.prefillComputeSeconds(shape, hardware, engine, tokens) +
		roofline.allReduceSeconds(shape, hardware, tokens);
	// A short prompt waits for the weights to be read once.
	const weights =
		roofline.weightSeconds(shape, hardware, engine, input) + roofline.allReduceSeconds(shape, hardware, 0);
	return {
		overheadSeconds: ADMISSION_SECONDS + engine.stepSeconds + weights,
		prefillTokensPerSecond: (2 * input) / (fill(3 * input) - fill(input)),
		stepSeconds: roofline.decodeStepSeconds(shape, hardware, engine, 1, input),
		stepSecondsPerSequence: (crowded - alone) / BATCH_SPAN,
		// A replica that serves the model at all holds one context, whatever the catalog says of its memory.
		kvTokens: Math.max(contextLength, Math.floor(roofline.kvCapacity(shape, hardware))),
		spread: SPREAD_ROOFLINE,
		floor: floorOf(shape, hardware.gpu, hardware.count),
	};
}

/** The best format of the GPU at its full rate, and the weights read at full bandwidth for the most tokens a step may
 *  yield. */
function floorOf(shape: roofline.ModelShape, gpu: Gpu, count: number): Floor {
	const { fp16, fp8 = fp16, fp4 = fp8 } = gpu.flops;
	const weights = shape.activeParameters * shape.bytesPerParameter;
	return {
		prefillSecondsPerToken: (2 * shape.activeParameters) / (count * Math.max(fp16, fp8, fp4)),
		stepSeconds: weights / (count * gpu.bytesPerSecond) / TOKENS_PER_STEP_MAX,
	};
}

/** An operator's own figures. If they beat the floor, then it is the GPU's label that is wrong, and the floor goes.
 *  */
function stated(prior: Prior, rates: NonNullable<Pool["rates"]>): Prior {
	const { prefill_tokens_per_second: prefill, seconds_per_output_token: step } = rates;
	const { floor } = prior;
	const possible = floor && 1 / prefill >= floor.prefillSecondsPerToken && step >= floor.stepSeconds;
	return {
		...prior,
		prefillTokensPerSecond: prefill,
		stepSeconds: step,
		spread: SPREAD_STATED,
		floor: possible ? floor : null,
	};
}

function interpolated(activeParameters: number, column: 1 | 2 | 3): number {
	const upper = FAMILY.findIndex(([parameters]) => parameters >= activeParameters);
	const index = Math.max(1, upper === -1 ? FAMILY.length - 1 : upper);
	const [low, high] = [FAMILY[index - 1]!, FAMILY[index]!];
	const share = Math.log(activeParameters / low[0]) / Math.log(high[0] / low[0]);
	return low[column] * (high[column] / low[column]) ** share;
}
