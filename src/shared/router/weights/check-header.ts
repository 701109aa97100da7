import { err, ok, type Result } from "../../result.ts";
import { LANES } from "../estimator/latent-space.ts";
import { SIZES_MAX, type Header, type Sizes } from "./layout.ts";

const NAME_CHARS_MAX = 128;

/** The header of a weights file, or what is wrong with it. */
export function checkHeader(text: string): Result<Header, string> {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return err("no JSON");
	}
	if (!isRecord(value)) return err("no object");
	const { sizes, models, domains, pools, temperature } = value;
	if (!isRecord(sizes)) return err("sizes missing");
	for (const [name, max] of Object.entries(SIZES_MAX)) {
		// Only neighbours may be missing.
		const min = name === "anchors" ? 0 : 1;
		if (!isWhole(sizes[name], min, max)) return err(`${name}: ${String(sizes[name])} is not from ${min} to ${max}`);
	}
	const known = sizes as Sizes;
	if (known.width % LANES !== 0) return err(`width: ${known.width} is no multiple of ${LANES}`);
	if (!areNames(models, known.models)) return err("models: not as many different names as their number");
	if (!areNames(domains, known.domains)) return err("domains: not as many different names as their number");
	if (typeof temperature !== "number" || !(temperature > 0 && temperature < 100)) return err("temperature");
	if (!Array.isArray(pools) || pools.length !== known.pools) return err("pools: not as many as their number");
	let anchors = 0;
	for (const pool of pools as unknown[]) {
		if (!isRecord(pool) || !isName(pool.name)) return err("pools: no name");
		if (!Array.isArray(pool.models) || !pool.models.every((model) => isWhole(model, 0, known.models - 1)))
			return err(`pool ${pool.name}: unknown model`);
		if (new Set(pool.models).size !== pool.models.length) return err(`pool ${pool.name}: a model twice`);
		if (!isWhole(pool.anchors, 0, known.anchors)) return err(`pool ${pool.name}: anchors`);
		anchors += pool.anchors;
	}
	if (anchors !== known.anchors) return err("pools: not as many anchors as their number");
	return ok(value as unknown as Header);
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWhole(value: unknown, min: number, max: number): value is number {
	return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

function isName(value: unknown): value is string {
	return typeof value === "string" && value.length > 0 && value.length <= NAME_CHARS_MAX;
}

function areNames(value: unknown, count: number): boolean {
	return Array.isArray(value) && value.length === count && value.every(isName) && new Set(value).size === count;
}
