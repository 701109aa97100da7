// Calls a scheduler object as an isolate does, so many calls at a time, and answers how long each took. The body is all
// prompts' chains one after the other, the header `x-run` says the rest.
export default {
	async fetch(request, env) {
		const { object, template, words, concurrency, first } = JSON.parse(request.headers.get("x-run"));
		const chains = new Uint32Array(await request.arrayBuffer());
		const scheduler = env.SCHEDULER.getByName(object);
		const count = chains.length / words;
		const calls = Array.from({ length: count }, (_, i) => ({
			...template,
			reservation: `r${first + i}`,
			prefix: chains.slice(i * words, (i + 1) * words),
		}));
		const milliseconds = [];
		let ended = [];
		let next = 0;
		async function caller() {
			while (next < count) {
				const call = calls[next++];
				const mail = { first: [], renewals: [], ended };
				ended = [];
				const began = performance.now();
				const {
					replies: [reply],
				} = await scheduler.assign([call], mail);
				milliseconds.push(performance.now() - began);
				if (reply.kind !== "assigned") throw new Error(`a request was ${reply.kind}`);
				const { expectedTtft, expectedSeconds, expectedCachedTokens } = reply.ranked[0];
				ended.push({
					reservation: call.reservation,
					outcome: "ok",
					ttft: expectedTtft,
					seconds: expectedSeconds,
					promptTokens: reply.promptTokens,
					cachedTokens: expectedCachedTokens,
					outputTokens: 200,
				});
			}
		}
		// Time stands still within a turn; after I/O it has gone on.
		const began = performance.now();
		await Promise.all(Array.from({ length: concurrency }, caller));
		const seconds = (performance.now() - began) / 1_000;
		await scheduler.mail({ first: [], renewals: [], ended });
		return Response.json({ seconds, milliseconds });
	},
};
