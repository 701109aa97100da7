import { DENSE_COUNT } from "../features/dense.ts";
import { denseOf, gramsOf, type FeatureTable } from "../features/features.ts";
import type { Table } from "./space.ts";

/** Grams of fewer prompts are not looked at. */
const PROMPTS_MIN = 3;
/** Slots of the table that counts all grams; a power of two. What comes when it is nearly full is left out. */
const SLOTS = 2 ** 21;
const FULL = 0.8;

/** The `size` grams that say most of the domain (likelihood ratio statistic G2 of having it, Dunning 1993), with their
 *  inverse document frequencies and what the dense features are like. */
export function chooseGrams(table: Table, domains: number, size: number): FeatureTable {
	const counts = countGrams(table.prompts);
	const candidates: number[] = [];
	for (let slot = 0; slot < SLOTS; slot++) if (counts.prompts[slot]! >= PROMPTS_MIN) candidates.push(slot);
	if (candidates.length === 0)
		throw new Error(`There are too few outcomes: no word of their prompts is in ${PROMPTS_MIN} of them.`);
	const scores = tellingness(table, domains, counts, candidates);
	const chosen = candidates
		.map((_, i) => i)
		.sort((a, b) => scores[b]! - scores[a]! || counts.keys[candidates[a]!]! - counts.keys[candidates[b]!]!)
		.slice(0, size)
		.map((i) => candidates[i]!);
	const n = table.prompts.length;
	return {
		hashes: Uint32Array.from(chosen, (slot) => counts.keys[slot]!),
		idf: Float32Array.from(chosen, (slot) => Math.log((n + 1) / (counts.prompts[slot]! + 0.5))),
		...denseMoments(table.prompts),
	};
}

interface GramCounts {
	readonly keys: Uint32Array;
	/** Prompts that have it; 0 is an empty slot. */
	readonly prompts: Uint32Array;
}

function slotOf({ keys, prompts }: GramCounts, hash: number): number {
	let slot = hash & (SLOTS - 1);
	while (prompts[slot] !== 0 && keys[slot] !== hash) slot = (slot + 1) & (SLOTS - 1);
	return slot;
}

function countGrams(texts: readonly string[]): GramCounts {
	const counts = { keys: new Uint32Array(SLOTS), prompts: new Uint32Array(SLOTS) };
	const last = new Int32Array(SLOTS).fill(-1);
	let used = 0;
	texts.forEach((text, i) => {
		const grams = gramsOf(text);
		for (let j = 0; j < grams.count; j++) {
			const hash = grams.hashes[j]!;
			const slot = slotOf(counts, hash);
			if (counts.prompts[slot] === 0) {
				if (used > FULL * SLOTS) continue;
				used++;
				counts.keys[slot] = hash;
			}
			if (last[slot] === i) continue;
			last[slot] = i;
			counts.prompts[slot]!++;
		}
	});
	return counts;
}

/** By candidate: sum over domains of the prompts there, times the log of how many times more that is than by chance. */
function tellingness(
	{ prompts, domain }: Table,
	domains: number,
	counts: GramCounts,
	candidates: readonly number[],
): Float64Array {
	const index = new Int32Array(SLOTS).fill(-1);
	candidates.forEach((slot, i) => (index[slot] = i));
	const inDomain = new Uint16Array(candidates.length * domains);
	const sizes = new Float64Array(domains);
	const last = new Int32Array(candidates.length).fill(-1);
	prompts.forEach((text, i) => {
		sizes[domain[i]!]!++;
		const grams = gramsOf(text);
		for (let j = 0; j < grams.count; j++) {
			const slot = slotOf(counts, grams.hashes[j]!);
			const candidate = counts.prompts[slot] === 0 ? -1 : index[slot]!;
			if (candidate < 0 || last[candidate] === i) continue;
			last[candidate] = i;
			inDomain[candidate * domains + domain[i]!]!++;
		}
	});
	return Float64Array.from(candidates, (slot, i) => {
		let sum = 0;
		for (let d = 0; d < domains; d++) {
			const n = inDomain[i * domains + d]!;
			if (n > 0) sum += n * Math.log((n * prompts.length) / (counts.prompts[slot]! * sizes[d]!));
		}
		return sum;
	});
}

function denseMoments(texts: readonly string[]): Pick<FeatureTable, "denseMean" | "denseSigma"> {
	const sum = new Float64Array(DENSE_COUNT);
	const square = new Float64Array(DENSE_COUNT);
	const dense = new Float64Array(DENSE_COUNT);
	for (const text of texts) {
		denseOf(text, dense);
		for (let i = 0; i < DENSE_COUNT; i++) {
			sum[i]! += dense[i]!;
			square[i]! += dense[i]! ** 2;
		}
	}
	const n = Math.max(1, texts.length);
	return {
		denseMean: Float32Array.from(sum, (each) => each / n),
		denseSigma: Float32Array.from(square, (each, i) => Math.sqrt(Math.max(0, each / n - (sum[i]! / n) ** 2))),
	};
}
