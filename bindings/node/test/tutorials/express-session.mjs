// The examples in the README of express-session, in one application, with express-session. `moving.test.js` moves it.
import express from 'express';
import session from 'express-session';

export const app = express();

app.use(session({ secret: 'keyboard cat', resave: false, saveUninitialized: false }));

app.use((req, res, next) => {
  if (!req.session.views) {
    req.session.views = {};
  }
  // count the views
  req.session.views[req.path] = (req.session.views[req.path] || 0) + 1;
  next();
});

app.get('/foo', (req, res) => {
  res.send('you viewed this page ' + req.session.views['/foo'] + ' times');
});

function isAuthenticated(req, res, next) {
  if (req.session.user) next();
  else next('route');
}

app.get('/', isAuthenticated, (req, res) => {
  res.send('hello, ' + req.session.user + '!');
});

app.get('/', (req, res) => {
  res.send('sign in');
});

app.post('/login', express.urlencoded({ extended: false }), (req, res, next) => {
  // regenerate the session, which is good practice to help guard against forms of session fixation
  req.session.regenerate((err) => {
    if (err) return next(err);
    // store user information in session, typically a user id
    req.session.user = req.body.user;
    // save the session before redirection to ensure page load does not happen before session is saved
    req.session.save((err) => {
      if (err) return next(err);
      res.redirect('/');
    });
  });
});

app.get('/logout', (req, res, next) => {
  // clear the user from the session object and save.
  // this will ensure that re-using the old session id does not have a logged in user
  req.session.user = null;
  req.session.save((err) => {
    if (err) return next(err);
    // regenerate the session, which is good practice to help guard against forms of session fixation
    req.session.regenerate((err) => {
      if (err) next(err);
      res.redirect('/');
    });
  });
});

app.post('/destroy', (req, res, next) => {
  req.session.destroy((err) => {
    if (err) return next(err);
    res.redirect('/foo');
  });
});
