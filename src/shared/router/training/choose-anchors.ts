import { Neighbours } from "../estimator/neighbours.ts";
import { LABEL_STEPS, UNMEASURED, type Anchors } from "../weights/weights.ts";
import { shuffle, type Random } from "./random.ts";
import type { Space, Table } from "./space.ts";
import type { Vectors } from "./vectors.ts";

/** At most `count` prompts, of each domain in proportion to its share, with the `terms` heaviest grams of each. The labels of
 *  an anchor are means over the most similar prompts of its pool, by similarity and with itself, so that few anchors carry
 *  what all prompts have taught. */
export function chooseAnchors(
	vectors: Vectors,
	table: Table,
	space: Space,
	grams: number,
	{ count, terms }: { readonly count: number; readonly terms: number },
	random: Random,
): Anchors {
	const chosen = chooseRows(table, space, count, random);
	const all = anchorTerms(
		vectors,
		table.prompts.map((_, i) => i),
		terms,
	);
	const everything = { terms, ...all, pool: Uint8Array.from(table.pool), labels: new Uint8Array() };
	const neighbours = new Neighbours(everything, grams);
	const labels: number[] = [];
	for (const i of chosen) {
		neighbours.find(view(vectors, i));
		labels.push(...labelsOf(neighbours, i, table, space));
	}
	return {
		terms,
		...anchorTerms(vectors, chosen, terms),
		pool: Uint8Array.from(chosen, (i) => table.pool[i]!),
		labels: Uint8Array.from(labels),
	};
}

function chooseRows({ domain, prompts }: Table, { domains }: Space, count: number, random: Random): number[] {
	const order = shuffle(
		prompts.map((_, i) => i),
		random,
	);
	if (order.length <= count) return order.sort((a, b) => a - b);
	const share = count / order.length;
	const sizes = new Float64Array(domains.length);
	for (const d of domain) sizes[d]!++;
	const taken = new Float64Array(domains.length);
	return order.filter((i) => taken[domain[i]!]!++ < Math.floor(sizes[domain[i]!]! * share)).sort((a, b) => a - b);
}

function view({ starts, rows, values }: Vectors, i: number) {
	const [from, to] = [starts[i]!, starts[i + 1]!];
	return {
		rows: Int32Array.from(rows.subarray(from, to)),
		values: values.subarray(from, to),
		count: to - from,
		dense: new Float64Array(),
		unknown: 0,
	};
}

/** The heaviest grams of each, at unit length, in 1/255. */
export function anchorTerms(
	vectors: Vectors,
	chosen: readonly number[],
	terms: number,
): Pick<Anchors, "rows" | "values"> {
	const rows = new Uint16Array(chosen.length * terms);
	const values = new Uint8Array(chosen.length * terms);
	chosen.forEach((i, anchor) => {
		const from = vectors.starts[i]!;
		const heaviest = heaviestOf(vectors, i).subarray(0, terms);
		const norm = Math.sqrt(heaviest.reduce((sum, at) => sum + vectors.values[from + at]! ** 2, 0));
		heaviest.forEach((at, term) => {
			rows[anchor * terms + term] = vectors.rows[from + at]!;
			values[anchor * terms + term] = Math.round((255 * vectors.values[from + at]!) / norm);
		});
	});
	return { rows, values };
}

/** Where the grams of a prompt stand among its own, the heaviest first, of equals that of the lower row. Sorted as whole
 *  numbers, which is many times as fast as with a comparison: the bits of a positive float rise with it. */
function heaviestOf({ starts, rows, values }: Vectors, i: number): Int32Array {
	const own = values.slice(starts[i], starts[i + 1]);
	const bits = new Uint32Array(own.buffer);
	const keys = Float64Array.from(bits, (each, at) => each * 65_536 + 65_535 - rows[starts[i]! + at]!);
	const place = new Map(Array.from(keys, (key, at) => [key, at]));
	return Int32Array.from(keys.sort().reverse(), (key) => place.get(key)!);
}

function labelsOf(neighbours: Neighbours, self: number, { pool, scores }: Table, space: Space): number[] {
	const { models } = space.pools[pool[self]!]!;
	return models.map((model) => {
		const own = scores[self * space.models.length + model]!;
		if (Number.isNaN(own)) return UNMEASURED;
		let sum = own;
		let weight = 1;
		for (let k = 0; k < neighbours.count; k++) {
			const other = neighbours.nearest[k]!;
			const score = scores[other * space.models.length + model]!;
			if (other === self || pool[other] !== pool[self] || Number.isNaN(score)) continue;
			sum += neighbours.similarities[k]! * score;
			weight += neighbours.similarities[k]!;
		}
		return Math.round((LABEL_STEPS * sum) / weight);
	});
}
