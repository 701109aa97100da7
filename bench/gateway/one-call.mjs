import { DurableObject } from "cloudflare:workers";

// What the platform itself takes of a gateway that asks one Durable Object for each request: it reads the body, makes one call with
// as much in it as an assignment has, and reads the answer, a stream piece by piece, before it passes it on. It keeps no state
// and checks nothing.
const ASK = {
	reservation: "req_01m841j7p61z2r3kpbrtzmw81a.1",
	model: "llama-3.1-8b",
	tenant: "bench",
	key: "key_1xVRz42jbsWEupMLy",
	promptBytes: 100,
	outputTokensMax: 20,
	needs: ["chat"],
	policy: { valueOfSecond: 0.001, lateSecond: 0.01, ttftGoal: 2, priority: "normal", waitingMax: 30 },
};
const NAMES = ["h100/a", "l40s/a", "api/a"];
const REPLY = {
	ranked: NAMES.map((replica) => ({ replica, expectedTtft: 0.02, expectedSeconds: 0.5, expectedUsd: 0.001 })),
	explanation: { replicas: NAMES, rejected: [0, 0, 0], values: Array.from({ length: 21 }, (_, i) => i * 0.37) },
};

export class Chooser extends DurableObject {
	assign() {
		return REPLY;
	}
}

export default {
	async fetch(request, env) {
		const { pathname } = new URL(request.url);
		const body = await request.arrayBuffer();
		await env.CHOOSER.getByName("chooser").assign(ASK);
		const { headers } = request;
		const answer = await fetch(env.UPSTREAM + pathname, { method: "POST", headers, body });
		const { status } = answer;
		const isStream = answer.headers.get("content-type")?.startsWith("text/event-stream");
		return new Response(isStream ? relayed(answer.body) : await answer.arrayBuffer(), {
			status,
			headers: answer.headers,
		});
	},
};

function relayed(body) {
	const reader = body.getReader();
	return new ReadableStream(
		{
			async pull(controller) {
				const { done, value } = await reader.read();
				if (done) controller.close();
				else controller.enqueue(value);
			},
		},
		{ highWaterMark: 0 },
	);
}
