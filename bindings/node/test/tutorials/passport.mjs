// An application in the style of Passport's tutorial, with a cart and connect-flash, and with express-session. `passport.test.js` moves it.
import flash from 'connect-flash';
import express from 'express';
import session from 'express-session';
import passport from 'passport';
import { Strategy } from 'passport-local';

const users = [{ id: 7, username: 'anna', password: 'secret' }];
passport.use(
  new Strategy((username, password, done) => {
    const user = users.find((user) => user.username === username && user.password === password);
    done(null, user ?? false, { message: 'Incorrect username or password.' });
  }),
);
passport.serializeUser((user, done) => process.nextTick(() => done(null, { id: user.id, username: user.username })));
passport.deserializeUser((user, done) => process.nextTick(() => done(null, user)));

export const app = express();
app.use(express.urlencoded({ extended: false }));
app.use(session({ secret: 'keyboard cat', resave: false, saveUninitialized: false }));
app.use(passport.authenticate('session'));
app.use(flash());
app.get('/', (req, res) => res.json({ user: req.user?.username, cart: req.session.cart, errors: req.flash('error') }));
app.post('/cart', (req, res) => {
  req.session.cart = req.session.cart || [];
  req.session.cart.push(req.body.item);
  res.redirect('/');
});
app.get('/slow', async (req, res) => {
  req.session.seen = true;
  await new Promise((open) => {
    app.locals.open = open;
    app.locals.arrived();
  });
  res.send('slow');
});
app.post(
  '/login/password',
  passport.authenticate('local', { failureRedirect: '/', failureFlash: true, keepSessionInfo: true }),
  (req, res) => {
    req.session.user = req.user.id; // the registry finds a user's sessions by it
    res.redirect('/');
  },
);
app.post('/logout', (req, res, next) => {
  req.logout((error) => {
    if (error) {
      return next(error);
    }
    res.redirect('/');
  });
});
