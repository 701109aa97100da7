import { isRecord } from "./json-fields.ts";

/** References by anchor lead who knows where. */
const ANCHORS: ReadonlySet<string> = new Set(["$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor"]);

/** How many schemas a schema has, with its references followed: what each value of an instance may be compared with. Infinite
 *  where a reference leads back to itself (nested alternatives then double the work at every level of the instance), out of the
 *  document or nowhere. */
export function schemaWork(schema: unknown): number {
	const known = new Map<string, number>();
	const open = new Set<string>();
	const follow = (reference: string): number => {
		const before = known.get(reference);
		if (before !== undefined) return before;
		const target = open.has(reference) ? undefined : targetOf(schema, reference);
		if (target === undefined) return Infinity;
		open.add(reference);
		const work = workOf(target);
		open.delete(reference);
		known.set(reference, work);
		return work;
	};
	const workOf = (node: unknown): number => {
		if (Array.isArray(node)) return node.reduce<number>((sum, item) => sum + workOf(item), 0);
		if (!isRecord(node)) return 0;
		let work = 1;
		for (const [name, value] of Object.entries(node)) {
			if (ANCHORS.has(name)) return Infinity;
			work += name === "$ref" && typeof value === "string" ? follow(value) : workOf(value);
		}
		return work;
	};
	return workOf(schema);
}

/** What `#/a/b` names. */
function targetOf(schema: unknown, reference: string): unknown {
	if (reference === "#") return schema;
	if (!reference.startsWith("#/")) return undefined;
	let node = schema;
	for (const step of reference.slice(2).split("/")) {
		const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
		if (Array.isArray(node)) node = node[Number(name)];
		else if (isRecord(node) && Object.hasOwn(node, name)) node = node[name];
		else return undefined;
	}
	return node;
}
