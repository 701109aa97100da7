import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { complete } from "../../functions/route/complete.ts";
import type { AssignReply, AssignRequest, SchedulerMail } from "../../src/shared/scheduler/messages.ts";
import { admin } from "./admin-support.ts";

const MODEL = "dispatch-m";
let key = "";

beforeAll(async () => {
	const pool = {
		model: MODEL,
		engine: "vllm",
		place: { provider: "x", region: "eu" },
		price: { per: "million_tokens", input: 1, output: 1 },
		secret: "VENDOR_KEY",
	};
	const put = await admin("PUT", "/admin/catalog", {
		models: [{ id: MODEL, context_length: 8_192, capabilities: ["chat", "vision"], parameters_billion: 8 }],
		pools: [{ ...pool, id: "p", capabilities: ["chat"], replicas: [{ id: "a", url: "https://pool.test" }] }],
	});
	expect(put.status).toBe(200);
	const limits = { budget: { total_usd: 1 }, limits: { concurrency: 1 } };
	key = (await admin("POST", "/admin/keys", { tenant: "dispatch", ...limits })).body.key;
});

function withBindings(bindings: object): Env {
	return Object.defineProperties({ ...env }, Object.getOwnPropertyDescriptors(bindings));
}

/** Sends a chat request through the hot path, with these bindings changed, and waits until all has been settled. */
async function send(bindings: object, more: object = {}): Promise<{ code: string; status: number }> {
	const body = { model: MODEL, max_tokens: 5, messages: [{ role: "user", content: "hello" }], ...more };
	const ctx = createExecutionContext();
	const http = new Request("https://gateway.test/v1/chat/completions", {
		method: "POST",
		body: JSON.stringify(body),
		headers: { authorization: `Bearer ${key}` },
	});
	try {
		const response = await complete("chat", http, withBindings(bindings), ctx);
		const { error } = await response.json<{ error: { code: string } }>();
		return { code: error.code, status: response.status };
	} finally {
		await waitOnExecutionContext(ctx);
	}
}

/** A scheduler that answers as the test says, and notes what it was told. */
function scripted(assign: (request: AssignRequest) => Promise<AssignReply>, turn: () => Promise<AssignReply | null>) {
	const asked: AssignRequest[] = [];
	const ended: string[] = [];
	const take = (mail: SchedulerMail): void => void ended.push(...mail.ended.map(({ reservation }) => reservation));
	const object = {
		async assign(requests: readonly AssignRequest[], mail: SchedulerMail) {
			take(mail);
			asked.push(...requests);
			return { replies: await Promise.all(requests.map(assign)), bills: [] };
		},
		async mail(mail: SchedulerMail) {
			take(mail);
			return [];
		},
		waitTurn: turn,
		leave: async () => {},
	};
	return { SCHEDULER: { getByName: () => object }, asked, ended };
}

const refused: AssignReply = {
	kind: "refused",
	error: { code: "overloaded", message: "full" },
	explanation: { replicas: [], rejected: [], values: [] },
};

describe("an exception after admission", () => {
	test("leaves neither a place, nor a lease, nor budget held", async () => {
		const broken = {
			get VENDOR_KEY(): string {
				throw new Error("a bug");
			},
		};
		// The key may have one request at once: one that was left behind would keep the next from it.
		for (let i = 0; i < 3; i++) await expect(send(broken)).rejects.toThrow("a bug");
		const { body } = await admin("GET", "/admin/fleet");
		expect(body).toMatchObject({ models: { [MODEL]: { in_flight: 0, waiting: 0 } } });
		const ledger = env.LEDGER.getByName("dispatch");
		const keyId = (await admin("GET", "/admin/keys")).body.data.at(-1)!.id;
		const { budget, rows } = await ledger.statement({}, keyId);
		expect(budget).toMatchObject({ outstanding: { nano: 0, slots: 0 }, spent: { total: 0 } });
		expect(rows.reduce((sum, { requests }) => sum + requests, 0)).toBe(3);
	});
});

describe("the scheduler", () => {
	test("is told that a reservation is over which it may have made too late to be waited for", async () => {
		const late = scripted(
			() => Promise.reject(new Error("late")),
			async () => null,
		);
		const content = [{ type: "image_url", image_url: { url: "https://x.test/y.png" } }];
		const answer = await send(late, { messages: [{ role: "user", content }] });
		expect(answer.code).toBe("no_healthy_replica");
		expect(late.ended).toEqual([late.asked[0]!.reservation]);
	});

	test("is asked for the waiting time that is left, when a place in the waiting room was lost", async () => {
		let asks = 0;
		const forgetful = scripted(
			async () => (++asks < 3 ? { kind: "queued", position: 1, expectedWait: 1 } : refused),
			() => new Promise((resolve) => setTimeout(() => resolve(null), 300)),
		);
		const answer = await send(forgetful, { isobar: { waiting_seconds_max: 10 } });
		expect(answer.code).toBe("overloaded");
		const [first, second, third] = forgetful.asked.map(({ policy }) => policy.waitingMax);
		expect(first).toBe(10);
		expect(second).toBeLessThan(9.8);
		expect(third).toBeLessThan(second! - 0.2);
		expect(new Set(forgetful.asked.map(({ reservation }) => reservation)).size).toBe(1);
	});
});
