import type { Context } from "hono";
import { readBytes } from "../../src/adapters/read-bytes.ts";
import { isolateEstimator } from "../../src/adapters/router-weights.ts";
import type { CatalogSnapshot } from "../../src/shared/catalog/snapshot.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { anchorRows } from "../../src/shared/router/anchor-rows.ts";
import { ANCHORS_AS_CARD } from "../../src/shared/router/learn.ts";
import type { RouterPort } from "../../src/shared/router/messages.ts";
import { LABELS_BYTES_MAX, readLabels } from "../../src/shared/router/operator-labels.ts";
import { setupOf } from "../../src/shared/router/router-setup.ts";

/** A router that a call has named. */
export interface FoundRouter {
	readonly id: string;
	readonly tenant: string;
	readonly port: RouterPort;
	readonly snapshot: CatalogSnapshot;
}

/** What a PUT of labelled prompts answers: by model how many score it, and whether they stand for a card. */
interface Labelled {
	readonly object: "router.anchors";
	readonly router: string;
	readonly tenant: string;
	readonly labelled_prompts: number;
	readonly models: Readonly<Record<string, { readonly scores: number; readonly stands_for_card: boolean }>>;
	/** Prompts by the domain that they are most likely of; `*`: unlike all that the weights know. */
	readonly domains: Readonly<Record<string, number>>;
}

/** Takes labelled prompts in place of those before. The prompts are judged here and not kept. */
export async function takeLabels(
	c: Context<{ Bindings: Env }>,
	{ id, tenant, port, snapshot }: FoundRouter,
): Promise<Result<Labelled, IsobarError>> {
	const text = await textOf(c.req.raw);
	if (!text.ok) return text;
	const setup = setupOf(snapshot, id);
	const ids = new Set(setup.models.map((model) => model.id));
	const names = [...snapshot.models].flatMap(([name, model]) => (ids.has(model.id) ? [[name, model.id] as const] : []));
	const labels = readLabels(text.value, new Map(names));
	if (!labels.ok) return labels;
	const estimator = await isolateEstimator(c.env).estimator();
	if (!estimator) {
		const away = "The router's weights cannot be read, so that no prompt can be judged";
		return err(isobarError("router_unavailable", away, { retryAfter: 30 }));
	}
	const rows = anchorRows(labels.value, estimator, (model) => {
		const card = snapshot.models.get(model)?.model.card;
		return card === undefined ? null : estimator.models.indexOf(card);
	});
	await port.label(setup, rows);
	const scores = countsOf(rows.flatMap((row) => Object.keys(row.scores)));
	const models = Object.entries(scores).map(
		([model, count]) => [model, { scores: count, stands_for_card: count >= ANCHORS_AS_CARD }] as const,
	);
	return ok({
		object: "router.anchors",
		router: id,
		tenant,
		labelled_prompts: rows.length,
		models: Object.fromEntries(models),
		domains: countsOf(rows.map(({ domains }) => domains[0]?.name ?? "*")),
	});
}

async function textOf(request: Request): Promise<Result<string, IsobarError>> {
	const bytes = await readBytes(request, LABELS_BYTES_MAX);
	if (!bytes.ok) return bytes;
	try {
		return ok(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes.value));
	} catch {
		return err(isobarError("invalid_json", "The body is not UTF-8"));
	}
}

function countsOf(names: readonly string[]): Record<string, number> {
	const counts: Record<string, number> = {};
	for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
	return counts;
}
