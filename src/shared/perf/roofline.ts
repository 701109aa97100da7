import type { Seconds, Tokens } from "../units.ts";
import type { Gpu } from "./gpus.ts";

/** What the roofline needs of a transformer. */
export interface ModelShape {
	readonly parameters: number;
	/** Those that one token meets; less than all in a mixture of experts. */
	readonly activeParameters: number;
	readonly bytesPerParameter: number;
	readonly kvBytesPerToken: number;
	readonly layers: number;
	/** Layers times heads times head size. */
	readonly attentionWidth: number;
}

/** `count` GPUs that serve one copy of the model, split by tensors. */
export interface Hardware {
	readonly gpu: Gpu;
	readonly count: number;
}

/** How much of the datasheet an engine reaches, and what it adds. */
export interface Engine {
	/** e_f: share of the peak FLOP/s. */
	readonly compute: number;
	/** e_w: share of the memory bandwidth. */
	readonly bandwidth: number;
	/** t0: seconds that a step costs, whatever is in it. */
	readonly stepSeconds: Seconds;
	/** t_s: seconds that each running sequence adds to a step. */
	readonly sequenceSeconds: Seconds;
}

/** A full engine, for throughput: one set of constants for 40 published maxima of TensorRT-LLM 1.0 (Llama 3.1 8B and
 *  3.3 70B on H100 and H200), 5 % off in the mean and 19 % at most; 14 % in the mean on the 405B, to which they were
 *  not fitted. The bandwidth share is this high because a full batch overlaps reading with computing. */
export const SATURATED: Engine = { compute: 0.56, bandwidth: 0.95, stepSeconds: 0.002, sequenceSeconds: 0 };

/** One request in an engine of today, for latency: the bandwidth share is what kernels reach at small batches on A40,
 *  A100 and H100 (0.63 to 0.88, profiles of Vidur); a sequence's cost is that of an engine whose scheduler is not the
 *  bottleneck. */
export const UNSATURATED: Engine = { compute: 0.56, bandwidth: 0.7, stepSeconds: 0.002, sequenceSeconds: 6e-5 };

/** The share of GPU memory that an engine takes (vLLM's default); the rest is for activations and CUDA graphs. */
export const MEMORY_SHARE = 0.9;

/** vLLM's `max_num_seqs` on large GPUs. */
export const SEQUENCES_MAX = 1_024;

/** The share of `compute` that fp4 reaches: attention and much else stay in wider formats. From 50 maxima of
 *  TensorRT-LLM on B200, GB200 and RTX PRO 6000 (dense models). */
const FP4_SHARE = 0.6;
const ALL_REDUCE_LAUNCH_SECONDS = 5e-6;
const HOP_SECONDS = 1e-6;
const ACTIVATION_BYTES = 2;

/** A request of the mean shape of a workload. */
export interface RequestShape {
	readonly input: Tokens;
	readonly output: Tokens;
}

/** C, tokens of KV cache beside the weights: `(count * memory * share - weights) / kv bytes a token`. Not below zero.
 *  */
export function kvCapacity(shape: ModelShape, { gpu, count }: Hardware): Tokens {
	const free = count * gpu.bytes * MEMORY_SHARE - shape.parameters * shape.bytesPerParameter;
	return Math.max(0, free / shape.kvBytesPerToken);
}

/** Seconds of one prefill of `tokens` in an empty engine: compute or weight traffic, whichever is longer, plus the
 *  all-reduce. */
export function prefillSeconds(shape: ModelShape, hardware: Hardware, engine: Engine, tokens: Tokens): Seconds {
	const compute = prefillComputeSeconds(shape, hardware, engine, tokens);
	const longest = Math.max(compute, weightSeconds(shape, hardware, engine, tokens));
	return engine.stepSeconds + longest + allReduceSeconds(shape, hardware, tokens);
}

/** Its FLOPs alone, `2 N i + 2 L d i^2` (causal attention). */
export function prefillComputeSeconds(shape: ModelShape, hardware: Hardware, engine: Engine, tokens: Tokens): Seconds {
	const flops = 2 * shape.activeParameters * tokens + 2 * shape.attentionWidth * tokens * tokens;
	return flops / flopsPerSecond(hardware, engine, shape);
}

/** Reading the weights that a step of `tokens` needs. */
export function weightSeconds(shape: ModelShape, hardware: Hardware, engine: Engine, tokens: Tokens): Seconds {
	return weightBytes(shape, tokens) / bytesPerSecond(hardware, engine);
}

/** Seconds of one decode step of `batch` sequences with `context` tokens each. */
export function decodeStepSeconds(
	shape: ModelShape,
	hardware: Hardware,
	engine: Engine,
	batch: number,
	context: Tokens,
): Seconds {
	const bytes = weightBytes(shape, batch) + shape.kvBytesPerToken * batch * context;
	const traffic = bytes / bytesPerSecond(hardware, engine);
	const compute = (2 * shape.activeParameters * batch) / flopsPerSecond(hardware, engine, shape);
	const overhead = engine.stepSeconds + engine.sequenceSeconds * batch;
	return overhead + Math.max(traffic, compute) + allReduceSeconds(shape, hardware, batch);
}

/** Seconds of a step of continuous batching in the steady state: a decode of `batch` sequences plus the share of the
 *  prefills that replace the ones that end. This is the TPOT that a stream sees at that batch. */
export function mixedStepSeconds(
	shape: ModelShape,
	hardware: Hardware,
	engine: Engine,
	batch: number,
	{ input, output }: RequestShape,
): Seconds {
	const decode = decodeStepSeconds(shape, hardware, engine, batch, input + output / 2);
	return decode + (batch / output) * prefillSeconds(shape, hardware, engine, input);
}

/** The most sequences that run at once: the engine's limit, or the KV cache at the mean fill of a request. Zero when
 *  the model does not fit. */
export function batchMax(shape: ModelShape, hardware: Hardware, { input, output }: RequestShape): number {
	return Math.min(SEQUENCES_MAX, kvCapacity(shape, hardware) / (input + output / 2));
}

/** X(B), requests per second of a full replica that keeps `batch` running, in closed form: prefill and decode FLOPs,
 *  KV reads, and weight reads and step overhead shared by the batch. `batch / (output * X)` is the TPOT. Zero when
 *  nothing fits. */
export function throughput(
	shape: ModelShape,
	hardware: Hardware,
	engine: Engine,
	batch: number,
	{ input, output }: RequestShape,
): number {
	if (batch <= 0) return 0;
	const { activeParameters, attentionWidth, kvBytesPerToken } = shape;
	const attended = input * output + (output * output) / 2;
	const flops =
		2 * activeParameters * (input + output) + 2 * attentionWidth * input * input + 4 * attentionWidth * attended;
	const bytes = kvBytesPerToken * attended + (output * weightBytes(shape, batch)) / batch;
	const overhead = output * (engine.sequenceSeconds + engine.stepSeconds / batch);
	const exchange =
		allReduceSeconds(shape, hardware, input) + (output / batch) * allReduceSeconds(shape, hardware, batch);
	const compute = flops / flopsPerSecond(hardware, engine, shape);
	const traffic = bytes / bytesPerSecond(hardware, engine);
	return 1 / (compute + traffic + overhead + exchange);
}

/** The most requests per second of this shape that a replica serves: X at the largest batch, or at the largest whose
 *  TPOT keeps the goal. X grows with the batch, so that is the maximum. Zero when the model does not fit or no batch
 *  keeps the goal. */
export function maxThroughput(
	shape: ModelShape,
	hardware: Hardware,
	engine: Engine,
	request: RequestShape,
	tpotGoal: Seconds = Infinity,
): number {
	const at = (batch: number): number => throughput(shape, hardware, engine, batch, request);
	const meets = (batch: number): boolean => batch <= request.output * at(batch) * tpotGoal;
	let high = batchMax(shape, hardware, request);
	if (high < 1) return 0;
	if (meets(high)) return at(high);
	let low = 1;
	if (!meets(low)) return 0;
	for (let step = 0; step < 40; step++) {
		const middle = (low + high) / 2;
		if (meets(middle)) low = middle;
		else high = middle;
	}
	return at(low);
}

/** Weight bytes that a step of `tokens` reads. Tokens choose their experts apart, so that each leaves a share `1 -
 *  active/all` of the rest unread: one token reads the active ones, many read all. */
function weightBytes({ parameters, activeParameters, bytesPerParameter }: ModelShape, tokens: Tokens): number {
	const unread = (1 - Math.min(1, activeParameters / parameters)) ** Math.max(1, tokens);
	return parameters * (1 - unread) * bytesPerParameter;
}

/** Two ring all-reduces a layer (the form of GenZ). */
export function allReduceSeconds(shape: ModelShape, { gpu, count }: Hardware, tokens: Tokens): Seconds {
	if (count <= 1) return 0;
	const bytes = tokens * (shape.attentionWidth / shape.layers) * ACTIVATION_BYTES;
	const ring = 2 * (count - 1) * HOP_SECONDS + ((2 * (count - 1)) / count) * (bytes / gpu.linkBytesPerSecond);
	return 2 * shape.layers * (ALL_REDUCE_LAUNCH_SECONDS + ring);
}

/** FLOP/s that the hardware reaches, in the format that weights of this width compute in. A GPU that lacks the format
 *  unpacks them and computes at fp16. */
function flopsPerSecond({ gpu, count }: Hardware, engine: Engine, { bytesPerParameter }: ModelShape): number {
	const { fp16, fp8, fp4 } = gpu.flops;
	const wide = bytesPerParameter >= 1.5 || !fp8 ? fp16 : fp8;
	const flops = bytesPerParameter < 0.75 ? (fp4 ? fp4 * FP4_SHARE : fp16) : wide;
	return count * flops * engine.compute;
}

function bytesPerSecond({ gpu, count }: Hardware, engine: Engine): number {
	return count * gpu.bytesPerSecond * engine.bandwidth;
}
