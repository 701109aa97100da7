import * as z from "zod";
import { RunStore, type ListedRun } from "../../src/adapters/catalog-run-store.ts";
import type { IsobarError } from "../../src/shared/http/errors.ts";
import { ok, type Result } from "../../src/shared/result.ts";
import type { Seconds } from "../../src/shared/units.ts";
import { runOf } from "../../durable-objects/federated-objects.ts";
import type { Shown } from "../../durable-objects/run.messages.ts";
import { readQuery } from "./body.ts";

/** A page asks each of its runs. */
const PAGE_MAX = 50;
/** How long a creation may be under way: a row without a run that is older is of one that broke off. */
const CREATION_SECONDS: Seconds = 3_600;

const listQuery = z.strictObject({
	after: z.string().max(64).default(""),
	limit: z
		.string()
		.regex(/^\d{1,4}$/, "a whole number")
		.transform(Number)
		.pipe(z.number().min(1).max(PAGE_MAX))
		.default(20),
});

/** `GET /v1/runs`: the tenant's runs in the order of their ids, each with what it says of itself at the moment. */
export async function listRuns(
	url: string,
	env: Env,
	ctx: ExecutionContext,
	tenant: string,
): Promise<Result<Shown, IsobarError>> {
	const query = readQuery(url, listQuery);
	if (!query.ok) return query;
	const { after, limit } = query.value;
	const store = new RunStore(env.CATALOG);
	const rows = await store.list(tenant, after, limit + 1);
	if (!rows.ok) return rows;
	const page = rows.value.slice(0, limit);
	const shown = await Promise.all(page.map(({ id }) => runOf(env, id).brief()));
	const now = Date.now() / 1_000;
	const isLost = ({ created_at: at }: ListedRun, i: number) => shown[i] === null && at < now - CREATION_SECONDS;
	for (const { id } of page.filter(isLost)) ctx.waitUntil(store.remove(id));
	const data = shown.filter((run) => run !== null);
	return ok({ object: "list", data, has_more: rows.value.length > limit, next: page.at(-1)?.id ?? null });
}
