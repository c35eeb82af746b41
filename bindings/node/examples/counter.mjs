// The smallest application: a counter of visits. SESSION_STORE=redis://localhost node examples/counter.mjs
import express from 'express';
import session from 'shared-session/express';

const app = express();
app.use(session());
app.get('/', (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1;
  res.send(`visit ${req.session.visits}\n`);
});
app.listen(process.env.PORT ?? 8080, '127.0.0.1');
