// The least that a gateway on this platform can be: it sends what it gets to one upstream and looks at nothing.
export default {
	fetch(request, env) {
		const { pathname, search } = new URL(request.url);
		return fetch(new Request(env.UPSTREAM + pathname + search, request));
	},
};
