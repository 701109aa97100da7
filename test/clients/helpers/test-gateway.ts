import { afterAll, expect } from "vitest";
import { KEY_PREFIX } from "../../../src/shared/catalog/key-format.ts";
import type { RequestRecord } from "../../../src/shared/ledger/messages.ts";
import type { FleetStatus } from "../../../src/shared/scheduler/messages.ts";
import type { Explained } from "../../../src/shared/objective/explain.ts";
import { startGateway, type Gateway, type GatewayOptions, type PostOptions } from "../../support/gateway.ts";
import { until } from "./until.ts";

/** Stands in every prompt that the tests send, and must never stand in a log. */
export const MARK = "zanzibar-4711";

const SECRETS = new RegExp(`${MARK}|${KEY_PREFIX}\\w{6,}|test-admin-token`);

/** What `GET /v1/requests/{id}` answers. */
export type Answered = Omit<RequestRecord, "decision"> & { readonly decision: readonly Explained[] | null };

/** The error in a body of OpenAI's shape. */
export interface ErrorBody {
	readonly error: {
		readonly message: string;
		readonly type: string;
		readonly param: string | null;
		readonly code: string;
		readonly details?: Readonly<Record<string, unknown>>;
		readonly request_id?: string;
	};
}

export interface TestGateway extends Gateway {
	/** A chat request with a marked prompt; `extra` is added to its body. */
	readonly chat: (model: string, extra?: object, options?: PostOptions) => Promise<Response>;
	/** GET of a path after `/v1`. */
	readonly get: (path: string, key?: string) => Promise<Response>;
	/** The record of a request, by its id or its answer, as soon as it is there. */
	readonly record: (of: string | Response, key?: string) => Promise<Answered>;
	/** How a model's scheduler sees its replicas now. */
	readonly fleet: (model: string) => Promise<FleetStatus>;
	/** What the Worker has logged of requests to this model. */
	readonly logged: (model: string) => readonly { readonly id: string; readonly outcome: string }[];
}

/** A gateway for a test file, stopped when the file is done. Fails the file when a key or a marked prompt stands in its log. */
export async function startTestGateway(options: GatewayOptions = {}): Promise<TestGateway> {
	const gateway = await startGateway(options);
	afterAll(async () => {
		await gateway.stop();
		expect(gateway.log.length, "lines of the log").toBeGreaterThan(0);
		const leaked = gateway.log.filter((line) => SECRETS.test(line));
		expect(leaked, "log lines that hold a key or a prompt").toEqual([]);
	});
	const get = (path: string, key = gateway.key): Promise<Response> =>
		fetch(gateway.baseURL + path, { headers: { authorization: `Bearer ${key}` } });
	return {
		...gateway,
		get,
		chat: (model, extra = {}, post = {}) =>
			gateway.post("/chat/completions", { model, messages: [{ role: "user", content: MARK }], ...extra }, post),
		record: (of, key) => {
			const id = typeof of === "string" ? of : of.headers.get("x-isobar-request-id");
			return until(`the record of ${id}`, async () => {
				const answer = await get(`/requests/${id}`, key);
				return answer.status === 200 && ((await answer.json()) as Answered);
			});
		},
		async fleet(model) {
			const answer = await fetch(`${gateway.isobar.url}/admin/fleet`, {
				headers: { authorization: "Bearer test-admin-token" },
			});
			return ((await answer.json()) as { models: Record<string, FleetStatus> }).models[model]!;
		},
		logged: (model) =>
			gateway.log
				.filter((line) => line.includes(`"event":"request"`))
				.map((line) => JSON.parse(line) as { id: string; outcome: string; model: string })
				.filter((line) => line.model === model),
	};
}

export async function errorOf(response: Response): Promise<ErrorBody["error"]> {
	return ((await response.json()) as ErrorBody).error;
}
